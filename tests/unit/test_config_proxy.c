/* SPDX-License-Identifier: MIT */
/*
 * proxy, proxy_command and what our own sockets are asked for: which of the written ones counts, what
 * is refused, and that a password stays where it is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "lib/node.h"
#include "lib/proxy_command.h"
#include "tests/unit/config_fixture.h"

#define TUNNEL "tunnels: { t: { host: h, local: '1:a:1', "

static const struct connection_settings *server(const struct config *config)
{
	return config_server(config->tunnels[0], 0);
}

static const struct {
	const char *text, *proxy;
	const char *command; /* its words, joined by '|' */
} cases[] = {
	{ TUNNEL "proxy: socks5://p } }", "socks5://p", "" },
	{ TUNNEL "proxy: none } }", NULL, "" },
	{ "defaults: { proxy: socks5://p }\n" TUNNEL "} }", "socks5://p", "" },
	{ "defaults: { proxy: socks5://p }\n" TUNNEL "proxy: none } }", NULL, "" },
	{ "defaults: { proxy: socks5://p }\nhosts: { h: { proxy: 'http://q:1' } }\n" TUNNEL "} }",
	  "http://q:1", "" },
	{ TUNNEL "proxy_command: [nc, '%h', '%p'] } }", NULL, "nc|%h|%p" },
	{ TUNNEL "proxy_command: nc %h %p } }", NULL, "/bin/sh|-c|exec nc %h %p" },
	{ TUNNEL "proxy_command: none } }", NULL, "" },
	{ TUNNEL "proxy_command: [./nc] } }", NULL, "DIRECTORY/./nc" },
	{ TUNNEL "proxy_command: [~/nc] } }", NULL, "/home/me/nc" },
	/* the nearer answer counts, whichever of the two it is */
	{ "defaults: { proxy: socks5://p }\n" TUNNEL "proxy_command: [nc] } }", NULL, "nc" },
	{ "defaults: { proxy_command: [nc] }\n" TUNNEL "proxy: socks5://p } }", "socks5://p", "" },
	{ "defaults: { proxy_command: [nc] }\n" TUNNEL "proxy: none } }", NULL, "" },
	{ "defaults: { proxy: socks5://p }\n" TUNNEL "proxy_command: none } }", NULL, "" },
	{ TUNNEL "proxy: none, proxy_command: [nc] } }", NULL, "nc" },
};

static void expect_command(const struct fixture *f, const char *expected, const struct strv *words)
{
	char text[512] = "", wanted[512];

	for (size_t i = 0; i < words->count; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", i ? "|" : "",
			 words->items[i]);
	if (strncmp(expected, "DIRECTORY", 9) == 0)
		snprintf(wanted, sizeof(wanted), "%s%s", f->directory, expected + 9);
	else
		snprintf(wanted, sizeof(wanted), "%s", expected);
	assert_string_equal(text, wanted);
}

static void test_which_one_counts(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct config *config = fixture_load_good(f, cases[i].text);
		const struct connection_settings *c = server(config);

		if (cases[i].proxy)
			assert_string_equal(c->proxy, cases[i].proxy);
		else
			assert_null(c->proxy);
		expect_command(f, cases[i].command, &c->proxy_command);
		config_free(config);
	}
}

static const struct {
	const char *text, *says;
} bad[] = {
	{ TUNNEL "proxy: 10.0.0.1:1080 } }", "tunnels.t.proxy: is no URL" },
	{ TUNNEL "proxy: https://p:1 } }", "with TLS is not supported" },
	{ TUNNEL "proxy: [a] } }", "a single value is expected" },
	{ TUNNEL "proxy: socks5://p, proxy_command: [nc] } }",
	  "tunnels.t.proxy_command: there is a 'proxy' as well" },
	{ "defaults: { proxy: socks5://p, proxy_command: [nc] }\n",
	  "defaults.proxy_command: there is" },
	{ "hosts: { h: { proxy: socks5://p, proxy_command: [nc] } }\n",
	  "hosts.h.proxy_command: there" },
	{ TUNNEL "jump: j, proxy: socks5://p } }",
	  "write it at the entry in hosts of the first jump" },
	{ TUNNEL "jump: j, proxy_command: [nc] } }",
	  "tunnels.t.proxy_command: belongs to the server" },
	{ TUNNEL "proxy_command: [nc, '%x'] } }",
	  "'%x' stands for nothing here; there are %h, %p, %r, %n and %%" },
	{ TUNNEL "proxy_command: nc 5% } }", "ends in a single '%'" },
	{ TUNNEL "proxy_command: [''] } }", "the program, is empty" },
	{ TUNNEL "proxy_command: [] } }", "the list is empty" },
	{ TUNNEL "proxy_command: [[nc]] } }", "a single value is expected" },
	{ TUNNEL "user: 'a$b', proxy_command: ssh %r@%h } }",
	  "'%r' would give user 'a$b' to a shell" },
	{ TUNNEL "ip_qos: fast cs1 } }", "is not a class of service" },
	{ TUNNEL "ip_qos: af21 cs1 cs2 } }", "is not a class of service" },
	{ TUNNEL "ip_qos: '' } }", "is not a class of service" },
};

static void test_bad(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_null(fixture_load_text(f, bad[i].text));
		fixture_expect(f, 0, 0, bad[i].says);
	}
}

/* A user who would be more than a name to a shell is none to a program. */
static void test_a_user_for_a_program(void **state)
{
	struct fixture *f = *state;

	config_free(fixture_load_good(f, TUNNEL "user: 'a$b', proxy_command: [ssh, '%r@%h'] } }"));
	config_free(fixture_load_good(f, TUNNEL "user: 'a$b', proxy_command: nc %h } }"));
}

static void test_a_password_is_for_nobody_else(void **state)
{
	static const char text[] = TUNNEL "proxy: 'socks5://me:SECRET@p' } }";
	struct fixture *f = *state;

	fixture_write(f, "main.yaml", text);
	assert_int_equal(chmod(fixture_path(f, "main.yaml"), 0640), 0);
	assert_null(fixture_load(f, "main.yaml"));
	fixture_expect(f, 1, 49, "others can read the password in this file; run chmod 600 ");
	for (size_t i = 0; i < f->problems.count; i++)
		assert_null(strstr(f->problems.items[i].message, "SECRET"));
	assert_int_equal(chmod(fixture_path(f, "main.yaml"), 0600), 0);
	config_free(fixture_load(f, "main.yaml"));
	assert_int_equal(f->problems.count, 0);
	/* Without one the file is anybody's to read. */
	fixture_write(f, "main.yaml", TUNNEL "proxy: 'socks4://me@p' } }");
	assert_int_equal(chmod(fixture_path(f, "main.yaml"), 0644), 0);
	config_free(fixture_load(f, "main.yaml"));
	assert_int_equal(f->problems.count, 0);
}

/* What comes over the control socket starts no shell. */
static void test_added_commands_are_lists(void **state)
{
	struct fixture *f = *state;
	struct config *config = fixture_load_good(f, "");
	json_t *line = json_loads(
		"{\"host\": \"h\", \"local\": \"1:a:1\", \"proxy_command\": \"nc\"}", 0, NULL);
	json_t *list = json_loads(
		"{\"host\": \"h\", \"local\": \"1:a:1\", \"proxy_command\": [\"nc\", \"%h\"]}", 0,
		NULL);
	struct err err;
	CLEANUP(node_freep) struct node *bad_tree = node_from_json(line, &err);
	CLEANUP(node_freep) struct node *good_tree = node_from_json(list, &err);

	config_problems_fini(&f->problems);
	assert_null(config_add_tunnel(config, "t", bad_tree, &f->problems));
	fixture_expect(f, 0, 0, "a list of words here, not a line for the shell: [nc, '%h', '%p']");
	config_problems_fini(&f->problems);
	assert_non_null(config_add_tunnel(config, "t", good_tree, &f->problems));
	json_decref(line);
	json_decref(list);
	config_free(config);
}

static void test_words(void **state)
{
	struct fixture *f = *state;
	struct config *config = fixture_load_good(
		f, "hosts: { h: { address: '10.0.0.1:2222', user: me, proxy_command: [/usr/bin/nc, "
		   "'%h:%p', '%r@%n', '%%'] } }\n" TUNNEL "} }");
	struct strv words = { 0 };
	char name[32];

	assert_int_equal(proxy_command_words(server(config), &words), 0);
	expect_command(f, "/usr/bin/nc|10.0.0.1:2222|me@h|%", &words);
	assert_string_equal(proxy_command_name(name, sizeof(name), server(config)), "nc");
	strv_fini(&words);
	config_free(config);
	config = fixture_load_good(f, TUNNEL "proxy_command: /opt/x/corkscrew -a %h } }");
	assert_string_equal(proxy_command_name(name, sizeof(name), server(config)), "corkscrew");
	config_free(config);
}

static void test_sockets(void **state)
{
	struct fixture *f = *state;
	struct config *config = fixture_load_good(
		f,
		"defaults: { bind_address: eth0, ip_qos: le }\n" TUNNEL
		"bind_address: any, address_family: inet6, tcp_keepalive: no, ip_qos: af21 cs1 } }");
	const struct connection_settings *c = server(config);

	assert_null(c->bind_address);
	assert_int_equal(c->address_family, FAMILY_INET6);
	assert_int_equal(c->tcp_keepalive, 0);
	assert_int_equal(c->ip_qos, 0x20); /* ours is the one for what is not interactive */
	config_free(config);
	config = fixture_load_good(f, TUNNEL "} }");
	assert_int_equal(server(config)->tcp_keepalive, 1);
	assert_int_equal(server(config)->ip_qos, QOS_NONE);
	config_free(config);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_which_one_counts),
		CASE(test_bad),
		CASE(test_a_user_for_a_program),
		CASE(test_a_password_is_for_nobody_else),
		CASE(test_added_commands_are_lists),
		CASE(test_words),
		CASE(test_sockets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
