/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/supervisor/commands.h"
#include "daemon/supervisor/options.h"
#include "lib/util.h"

#define ARGS(...) ((char *[]){ (char *)"tunneld", __VA_ARGS__, NULL })

static int parse(char **argv, struct options *o, struct err *err)
{
	int argc = 0;

	while (argv[argc])
		argc++;
	return options_parse(argc, argv, false, o, err);
}

static void test_everything_at_once(void **state)
{
	struct options o;
	char **argv = ARGS((char *)"-c", (char *)"f.yaml", (char *)"--socket=/run/x",
			   (char *)"--state-dir", (char *)"/s", (char *)"--system");

	assert_int_equal(parse(argv, &o, NULL), 0);
	assert_int_equal(o.mode, MODE_RUN);
	assert_string_equal(o.config, "f.yaml");
	assert_string_equal(o.socket, "/run/x");
	assert_string_equal(o.state_dir, "/s");
	assert_true(o.is_system);
}

static void test_the_instance_follows_the_user(void **state)
{
	struct options o;
	char *argv[] = { (char *)"tunneld", NULL };

	assert_int_equal(options_parse(1, argv, true, &o, NULL), 0);
	assert_true(o.is_system);
	assert_int_equal(options_parse(1, argv, false, &o, NULL), 0);
	assert_false(o.is_system);
}

static void test_mistakes_are_usage_errors(void **state)
{
	static const char *const mistakes[] = {
		"--bogus", "-x", "-c", "word", "--print-schema=xml", "--check=1"
	};

	for (size_t i = 0; i < ARRAY_SIZE(mistakes); i++) {
		struct options o;
		struct err err;

		assert_int_equal(parse(ARGS((char *)mistakes[i]), &o, &err), -1);
		assert_int_equal(err.code, ERR_USAGE);
	}
}

/* The first wrong parameter of a call, NULL when all are right. */
static void test_parameters_are_checked_strictly(void **state)
{
	static const struct {
		const char *method, *parameters, *wrong;
	} cases[] = {
		{ "List", "{}", NULL },
		{ "List", "{\"names\": null}", NULL },
		{ "List", "{\"names\": []}", NULL },
		{ "List", "{\"names\": [\"a\", \"b\"]}", NULL },
		{ "List", "{\"names\": \"a\"}", "names" },
		{ "List", "{\"names\": [1]}", "names" },
		{ "List", "{\"name\": \"a\"}", "name" },
		{ "Inspect", "{}", "name" },
		{ "Inspect", "{\"name\": null}", "name" },
		{ "Inspect", "{\"name\": \"a\"}", NULL },
		{ "Inspect", "{\"name\": \"a\", \"x\": 1}", "x" },
		{ "Up", "{}", "names" },
		{ "Up", "{\"names\": null}", "names" },
		{ "Up", "{\"names\": [null]}", "names" },
		{ "Add", "{\"name\": \"a\"}", "tunnel" },
		{ "Add", "{\"name\": \"a\", \"tunnel\": []}", "tunnel" },
		{ "Add", "{\"name\": \"a\", \"tunnel\": {}}", NULL },
		{ "ForwardAdd", "{\"name\": \"a\", \"forwards\": {}}", NULL },
		{ "ForwardAdd", "{\"name\": \"a\", \"forwards\": []}", "forwards" },
		{ "ForwardDrop", "{\"name\": \"a\"}", "forwards" },
		{ "Connections", "{}", NULL },
		{ "Connections", "{\"names\": [\"a\"]}", NULL },
		{ "Kill", "{\"id\": 7}", "id" },
		{ "Connect", "{\"name\": \"a\"}", "target" },
		{ "Reload", "{}", NULL },
		{ "Reload", "{\"force\": true}", "force" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		json_t *parameters = json_loads(cases[i].parameters, 0, NULL);
		char method[64];
		const char *wrong;

		snprintf(method, sizeof(method), MANAGER ".%s", cases[i].method);
		wrong = commands_check_parameters(method, parameters);
		assert_true(streq(wrong, cases[i].wrong));
		json_decref(parameters);
	}
	assert_null(commands_check_parameters(MANAGER ".List", NULL));
	assert_string_equal(commands_check_parameters(MANAGER ".Up", NULL), "names");
}

static void test_errors_have_the_names_of_the_interface(void **state)
{
	assert_string_equal(commands_error_name(ERR_NO_SUCH_TUNNEL), MANAGER ".NoSuchTunnel");
	assert_string_equal(commands_error_name(ERR_TUNNEL_EXISTS), MANAGER ".TunnelExists");
	assert_string_equal(commands_error_name(ERR_NOT_ADDED), MANAGER ".NotAdded");
	assert_string_equal(commands_error_name(ERR_CONFIG), MANAGER ".InvalidConfig");
	assert_string_equal(commands_error_name(ERR_ACCESS), MANAGER ".AccessDenied");
	assert_string_equal(commands_error_name(ERR_NO_SUCH_CONNECTION),
			    MANAGER ".NoSuchConnection");
	assert_string_equal(commands_error_name(ERR_NOT_CONNECTED), MANAGER ".NotConnected");
	assert_string_equal(commands_error_name(ERR_IO), MANAGER ".Failed");
}

static void test_only_errors_with_a_place_for_it_have_a_name(void **state)
{
	static const enum err_code codes[] = { ERR_NO_SUCH_TUNNEL, ERR_IO };

	for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
		struct err err;
		json_t *o;

		err_set(&err, codes[i], "no");
		o = commands_error_parameters(&err, "t");
		assert_int_equal(json_object_get(o, "name") != NULL, i == 0);
		json_decref(o);
	}
}

static void test_ids_of_connections(void **state)
{
	static const char *const wrong[] = { "",
					     "-",
					     "3",
					     "3-",
					     "-7",
					     "3-7 ",
					     " 3-7",
					     "03-7",
					     "3-07",
					     "3-4294967296",
					     "+3-7",
					     "3--7",
					     "3-7-1",
					     "0x3-7",
					     "a-b",
					     "99999999999-1",
					     "18446744073709551619-1" };
	uint64_t id;

	assert_true(command_parse_connection("3-217", &id));
	assert_int_equal(id, 3ULL << 32 | 217);
	assert_true(command_parse_connection("4294967295-4294967295", &id));
	assert_int_equal(id, UINT64_MAX);
	assert_true(command_parse_connection("0-0", &id));
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		if (command_parse_connection(wrong[i], &id))
			fail_msg("'%s' is an id", wrong[i]);
	}
}

static void test_interfaces_are_known_by_their_whole_name(void **state)
{
	assert_true(command_is_interface(MANAGER, strlen(MANAGER)));
	assert_true(command_is_interface(SERVICE, strlen(SERVICE)));
	assert_false(command_is_interface(MANAGER, strlen(MANAGER) - 1));
	assert_false(command_is_interface("", 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_everything_at_once),
		cmocka_unit_test(test_the_instance_follows_the_user),
		cmocka_unit_test(test_mistakes_are_usage_errors),
		cmocka_unit_test(test_parameters_are_checked_strictly),
		cmocka_unit_test(test_errors_have_the_names_of_the_interface),
		cmocka_unit_test(test_only_errors_with_a_place_for_it_have_a_name),
		cmocka_unit_test(test_ids_of_connections),
		cmocka_unit_test(test_interfaces_are_known_by_their_whole_name),
	};

	return cmocka_run_group_tests_name("commands", tests, NULL, NULL);
}
