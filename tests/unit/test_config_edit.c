/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/config_fixture.h"
#include "lib/config_diff.h"
#include "lib/node.h"
#include "lib/util.h"

static const char base[] =
	"tunnels:\n"
	"  a: { host: h, local: [1:x:1, '9000-9009:x:9000-9009'], remote: 2222:x:22, tags: q }\n"
	"  b: { host: h, dynamic: { listen: 1080, allow: ['*:443'], max_connections: 3 } }\n";

typedef struct config_tunnel *edit_fn(const struct config *config,
				      const struct config_tunnel *tunnel, const struct node *tree,
				      struct config_problems *problems);

/* What fn makes of the tunnel of that name with a request. */
static struct config_tunnel *edit(struct fixture *f, edit_fn *fn, struct config *config,
				  const char *name, const char *json)
{
	json_t *object = json_loads(json, JSON_DECODE_ANY, NULL);
	struct node *tree = object ? node_from_json(object, NULL) : NULL;
	struct config_tunnel *tunnel;

	assert_non_null(tree);
	json_decref(object);
	config_problems_fini(&f->problems);
	tunnel = fn(config, config_find(config, name), tree, &f->problems);
	node_free(tree);
	assert_int_equal(tunnel == NULL, f->problems.count > 0);
	return tunnel;
}

static void apply(struct fixture *f, edit_fn *fn, struct config *config, const char *name,
		  const char *json)
{
	struct config_tunnel *tunnel = edit(f, fn, config, name, json);

	if (!tunnel)
		fail_msg("%s: %s", json, f->problems.items[0].message);
	config_tunnel_free(config_replace(config, tunnel));
	assert_ptr_equal(config_find(config, name), tunnel);
}

static void refused(struct fixture *f, edit_fn *fn, struct config *config, const char *name,
		    const char *json, const char *says)
{
	assert_null(edit(f, fn, config, name, json));
	fixture_expect(f, 0, 0, says);
	assert_null(f->problems.items[0].file);
}

static bool only_forwards_differ(const struct config *from, const struct config *to)
{
	struct config_diff diff;
	bool result;

	assert_int_equal(config_diff(from, to, &diff, NULL), 0);
	result = diff.count == 1 && diff.items[0].forwards && !diff.items[0].reconnect &&
		 !diff.items[0].upkeep && !diff.items[0].cosmetic;
	config_diff_fini(&diff);
	return result;
}

static void test_forwards_come_and_go(void **state)
{
	struct fixture *f = *state;
	struct config *config = fixture_load_good(f, base), *same = fixture_load(f, "main.yaml");
	const struct config_tunnel *a;
	struct config_diff diff;

	apply(f, config_with_forwards, config, "a",
	      "{\"local\": [\"5:y:5\", {\"name\": \"n\", \"listen\": \"6\", \"target\": \"y:6\"}],"
	      " \"dynamic\": 1081, \"remote\": \"0:/run/x.sock\"}");
	a = config_find(config, "a");
	assert_int_equal(a->forward_count, 7);
	for (size_t i = 0; i < 7; i++)
		assert_int_equal(a->forwards[i].added, i >= 3);
	assert_string_equal(a->forwards[3].name, "local:localhost:5");
	assert_string_equal(a->forwards[4].name, "n");
	assert_string_equal(a->forwards[5].name, "dynamic:localhost:1081");
	assert_string_equal(a->forwards[6].name, "remote:localhost:0:/run/x.sock");
	assert_string_equal(a->forwards[6].target.host, "/run/x.sock");
	assert_true(only_forwards_differ(same, config));

	apply(f, config_without_forwards, config, "a",
	      "{\"dynamic\": [1081], \"remote\": \"0:/run/x.sock\"}");
	apply(f, config_without_forwards, config, "a", "{\"local\": {\"listen\": \"5\"}}");
	apply(f, config_without_forwards, config, "a", "{\"local\": \"6\"}");
	assert_int_equal(config_diff(same, config, &diff, NULL), 0);
	assert_int_equal(diff.unchanged, 2);
	config_diff_fini(&diff);
	config_free(config);
	config_free(same);
}

static void test_ports_the_server_chooses(void **state)
{
	struct fixture *f = *state;
	struct config *config = fixture_load_good(f, base);
	const struct config_tunnel *a;

	apply(f, config_with_forwards, config, "a", "{\"remote\": [\"0:x:1\", \"0:x:2\"]}");
	apply(f, config_with_forwards, config, "a", "{\"remote\": [\"0:x:3\", \"*:0:x:4\"]}");
	a = config_find(config, "a");
	assert_string_equal(a->forwards[3].name, "remote:localhost:0:x:1");
	assert_string_equal(a->forwards[4].name, "remote:localhost:0:x:2");
	assert_string_equal(a->forwards[5].name, "remote:localhost:0:x:3");
	assert_string_equal(a->forwards[6].name, "remote:*:0:x:4");
	apply(f, config_without_forwards, config, "a", "{\"remote\": \"0:x:2\"}");
	apply(f, config_with_forwards, config, "a", "{\"remote\": [\"0:x:5\"]}");
	a = config_find(config, "a");
	assert_int_equal(a->forward_count, 7);
	assert_string_equal(a->forwards[6].name, "remote:localhost:0:x:5");
	refused(f, config_without_forwards, config, "a", "{\"remote\": \"0:x:2\"}",
		"tunnel 'a' has no remote forward that listens on localhost:0");
	apply(f, config_without_forwards, config, "a", "{\"remote\": 0}");
	assert_int_equal(config_find(config, "a")->forward_count, 4);
	config_free(config);
}

static const struct {
	const char *json, *says;
} bad_additions[] = {
	{ "[]", "forwards are a mapping of keys, not a list" },
	{ "{}", "one of 'local', 'remote', 'dynamic' is needed" },
	{ "{\"host\": \"h\", \"local\": \"7:x:1\"}", "'host' cannot stand here" },
	{ "{\"local\": \"1:x:1\"}", "local: localhost:1 is taken by tunnel 'a'" },
	{ "{\"local\": \"*:9005:x:1\"}",
	  "local: *:9005 is taken by tunnel 'a' (localhost:9000-9009)" },
	{ "{\"local\": \"[::1]:1080:x:1\"}",
	  "local: [::1]:1080 is taken by tunnel 'b' (localhost:1080)" },
	{ "{\"local\": \"7:x:1\", \"dynamic\": 7}", "dynamic: localhost:7 is taken by tunnel 'a'" },
	{ "{\"remote\": \"2222:x:23\"}", "remote: localhost:2222 is taken by tunnel 'a'" },
	{ "{\"remote\": 1082}", "without a target the server's clients say where to go" },
	{ "{\"local\": \"7:x\"}", "'7:x' does not say which port to go to" },
	{ "{\"local\": \"x.d/y.sock:h:1\"}", "'x.d/y.sock': an absolute path is needed here" },
	{ "{\"local\": [{\"name\": \"n\", \"listen\": 7, \"target\": \"y:6\"},"
	  "             {\"name\": \"n\", \"listen\": 8, \"target\": \"y:6\"}]}",
	  "two forwards are named 'n'" },
};

static void test_bad_additions(void **state)
{
	struct fixture *f = *state;
	struct config *config = fixture_load_good(f, base);

	for (size_t i = 0; i < ARRAY_SIZE(bad_additions); i++)
		refused(f, config_with_forwards, config, "a", bad_additions[i].json,
			bad_additions[i].says);
	/* What another tunnel has on its server is no concern of ours. */
	apply(f, config_with_forwards, config, "b", "{\"remote\": \"2222:x:23\"}");
	config_free(config);
}

static const struct {
	const char *json, *says;
} bad_removals[] = {
	{ "[]", "which forwards? write local, remote or dynamic" },
	{ "{}", "which forwards? write local, remote or dynamic" },
	{ "{\"host\": \"h\"}", "unknown key 'host'; write local, remote or dynamic" },
	{ "{\"local\": \"2:x:1\"}", "tunnel 'a' has no local forward that listens on localhost:2" },
	{ "{\"dynamic\": \"1\"}", "tunnel 'a' has no dynamic forward that listens on localhost:1" },
	{ "{\"local\": \"9000:x:9000\"}",
	  "tunnel 'a' has no local forward that listens on localhost:9000" },
	{ "{\"local\": \"127.0.0.1:1:x:1\"}", "no local forward that listens on 127.0.0.1:1" },
	{ "{\"local\": [[1]]}", "write where the forward listens" },
	{ "{\"local\": {}}", "write where the forward listens" },
	{ "{\"local\": \"nonsense\"}", "'nonsense' has no port" },
	{ "{\"local\": \"1:x:1\"}", "'local:localhost:1' belongs to tunnel 'a' in " },
	{ "{\"local\": \"1:x:1\"}", "main.yaml:2; change it there, then run tunctl reload" },
	{ "{\"local\": \"9000-9009\"}", "main.yaml:2" },
};

static void test_bad_removals(void **state)
{
	struct fixture *f = *state;
	struct config *config = fixture_load_good(f, base);

	for (size_t i = 0; i < ARRAY_SIZE(bad_removals); i++)
		refused(f, config_without_forwards, config, "a", bad_removals[i].json,
			bad_removals[i].says);
	config_free(config);
}

static void test_of_an_added_tunnel_all_but_the_last_can_go(void **state)
{
	struct fixture *f = *state;
	struct config *config = fixture_load_good(f, base);
	json_t *json = json_pack("{s:s, s:[s, s]}", "host", "h", "local", "5:x:5", "6:x:6");
	struct node *tree = node_from_json(json, NULL);

	assert_non_null(config_add_tunnel(config, "c", tree, &f->problems));
	node_free(tree);
	json_decref(json);
	apply(f, config_without_forwards, config, "c", "{\"local\": \"5:x:5\"}");
	refused(f, config_without_forwards, config, "c", "{\"local\": \"6:x:6\"}",
		"tunnel 'c' would have no forward left; to end it run tunctl drop c");
	config_free(config);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_forwards_come_and_go),
		TEST(test_ports_the_server_chooses),
		TEST(test_bad_additions),
		TEST(test_bad_removals),
		TEST(test_of_an_added_tunnel_all_but_the_last_can_go),
	};

	return cmocka_run_group_tests_name("config_edit", tests, NULL, NULL);
}
