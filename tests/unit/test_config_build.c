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
#include "lib/node.h"
#include "lib/util.h"

static void test_builtin_values(void **state)
{
	struct config *config =
		fixture_load_good(*state, "tunnels: { t: { host: h, local: 1:h:2 } }\n");
	const struct config_tunnel *t = config->tunnels[0];

	assert_string_equal(t->name, "t");
	assert_string_equal(t->host, "h");
	assert_string_equal(config_server(t, 0)->host, "h");
	assert_int_equal(config_server(t, 0)->port, 22);
	assert_string_equal(config_server(t, 0)->user, "me");
	assert_null(config_server(t, 0)->ciphers);
	assert_true(config_server(t, 0)->identities_implied);
	assert_int_equal(config_server(t, 0)->identities.count, 3);
	assert_string_equal(config_server(t, 0)->identities.items[0], "/home/me/.ssh/id_ed25519");
	assert_string_equal(config_server(t, 0)->identities.items[1], "/home/me/.ssh/id_ecdsa");
	assert_string_equal(config_server(t, 0)->identities.items[2], "/home/me/.ssh/id_rsa");
	assert_int_equal(config_server(t, 0)->known_hosts.count, 2);
	assert_string_equal(config_server(t, 0)->known_hosts.items[0], "/home/me/.ssh/known_hosts");
	assert_string_equal(config_server(t, 0)->known_hosts.items[1], "/etc/ssh/ssh_known_hosts");
	assert_int_equal(t->upkeep.keepalive_interval_ms, 15000);
	assert_int_equal(t->upkeep.keepalive_count, 3);
	assert_int_equal(t->upkeep.reconnect_min_ms, 500);
	assert_int_equal(t->upkeep.reconnect_max_ms, 60000);
	assert_int_equal(t->upkeep.reconnect_stable_ms, 10000);
	assert_int_equal(t->upkeep.connect_timeout_ms, 20000);
	assert_int_equal(t->upkeep.hold_ms, 10000);
	assert_int_equal(t->start, START_ALWAYS);
	assert_int_equal(t->line, 1);
	assert_int_equal(config->daemon.workers, 0);
	assert_int_equal(config->daemon.log_level, LOG_INFO);
	config_free(config);
}

static void test_system_instance(void **state)
{
	struct fixture *f = *state;
	struct config *config;

	f->context.system = true;
	assert_null(fixture_load_text(f, "tunnels: { t: { host: h, local: 1:h:2 } }\n"));
	fixture_expect(f, 1, 15,
		       "tunnels.t: 'identity' is missing: which private key shall log in?");
	config = fixture_load_good(f, "defaults: { identity: /k }\n"
				      "tunnels: { t: { host: h, local: 1:h:2 } }\n");
	assert_string_equal(config_server(config->tunnels[0], 0)->known_hosts.items[0],
			    "/etc/tunneld/known_hosts");
	assert_string_equal(config_server(config->tunnels[0], 0)->known_hosts.items[1],
			    "/var/lib/tunneld/known_hosts");
	assert_string_equal(config_server(config->tunnels[0], 0)->known_hosts.items[2],
			    "/etc/ssh/ssh_known_hosts");
	assert_false(config_server(config->tunnels[0], 0)->identities_implied);
	config_free(config);
}

static const char layers[] =
	"defaults:\n"
	"  user: d\n"
	"  identity: /d\n"
	"  hold: 1s\n"
	"  keepalive: { interval: 1s, count: 9 }\n"
	"hosts:\n"
	"  h1: { address: 'one.example:2222', user: h, keepalive: { interval: 2s } }\n"
	"  h2: { hold: 2s, ciphers: 'aes128-ctr,aes256-ctr' }\n"
	"tunnels:\n"
	"  a: { host: h1, local: 1:x:1 }\n"
	"  b: { host: me@h1, local: 2:x:1, user: t, identity: [/t1, /t2], hold: 3s }\n"
	"  c: { host: 'h1:23', local: 3:x:1, keepalive: { count: 5 } }\n"
	"  d: { host: h2, local: 4:x:1, user: t }\n"
	"  e: { host: 'other.example:24', local: 5:x:1 }\n"
	"  f: { host: '[::1]:25', local: 6:x:1 }\n";

static const struct {
	const char *user, *host, *identity;
	uint16_t port;
	unsigned hold_ms, interval_ms, count;
} composed[] = {
	{ "h", "one.example", "/d", 2222, 1000, 2000, 9 },
	{ "me", "one.example", "/t1", 2222, 3000, 2000, 9 },
	{ "h", "one.example", "/d", 23, 1000, 2000, 5 },
	{ "t", "h2", "/d", 22, 2000, 1000, 9 },
	{ "d", "other.example", "/d", 24, 1000, 1000, 9 },
	{ "d", "::1", "/d", 25, 1000, 1000, 9 },
};

static void test_nearest_wins(void **state)
{
	struct config *config = fixture_load_good(*state, layers);

	assert_int_equal(config->tunnel_count, ARRAY_SIZE(composed));
	for (size_t i = 0; i < ARRAY_SIZE(composed); i++) {
		const struct config_tunnel *t = config->tunnels[i];

		assert_string_equal(config_server(t, 0)->user, composed[i].user);
		assert_string_equal(config_server(t, 0)->host, composed[i].host);
		assert_string_equal(config_server(t, 0)->identities.items[0], composed[i].identity);
		assert_int_equal(config_server(t, 0)->port, composed[i].port);
		assert_int_equal(t->upkeep.hold_ms, composed[i].hold_ms);
		assert_int_equal(t->upkeep.keepalive_interval_ms, composed[i].interval_ms);
		assert_int_equal(t->upkeep.keepalive_count, composed[i].count);
	}
	assert_string_equal(config->tunnels[1]->host, "me@h1");
	assert_string_equal(config_server(config->tunnels[3], 0)->ciphers, "aes128-ctr,aes256-ctr");
	config_free(config);
}

static void test_min_above_max_is_said_where_it_was_written(void **state)
{
	struct fixture *f = *state;

	assert_null(fixture_load_text(f, "defaults:\n"
					 "  reconnect: { min: 90s }\n"
					 "tunnels:\n"
					 "  a: { host: h, local: 1:x:1 }\n"
					 "  b: { host: h, local: 2:x:1 }\n"));
	fixture_expect(f, 2, 14,
		       "defaults: reconnect.min (1m30s) is larger than reconnect.max (1m)");
	assert_int_equal(f->problems.count, 1);
	assert_null(fixture_load_text(f, "hosts:\n"
					 "  h: { reconnect: { max: 100ms } }\n"
					 "tunnels:\n"
					 "  a: { host: h, local: 1:x:1 }\n"));
	fixture_expect(f, 2, 19,
		       "hosts.h: reconnect.min (500ms) is larger than reconnect.max (100ms)");
	assert_int_equal(f->problems.count, 1);
	assert_null(fixture_load_text(f,
				      "defaults: { reconnect: { min: 5s } }\n"
				      "tunnels:\n"
				      "  a: { host: h, local: 1:x:1, reconnect: { max: 1s } }\n"));
	fixture_expect(f, 3, 42, "tunnels.a: reconnect.min (5s) is larger than reconnect.max (1s)");
	assert_int_equal(f->problems.count, 1);
}

static void test_names(void **state)
{
	struct fixture *f = *state;

	assert_null(fixture_load_text(f, "hosts:\n"
					 "  a b: {}\n"
					 "  -h: {}\n"
					 "tunnels:\n"
					 "  t: { host: h, local: 1:x:1 }\n"
					 "  t/2: { host: h, local: 2:x:1 }\n"
					 "  u: 3\n"
					 "  t: { host: h, local: 4:x:1 }\n"
					 "  v:\n"
					 "  '': {}\n"));
	fixture_expect(f, 2, 3, "hosts: 'a b' is not a name; use up to 64 letters");
	fixture_expect(
		f, 3, 3,
		"hosts.-h: '-h' is not a host name: it begins with '-'; write its 'address'");
	fixture_expect(f, 6, 3, "tunnels: 't/2' is not a name");
	fixture_expect(f, 7, 6, "tunnels: u: a mapping of keys is expected, not a single value");
	fixture_expect(f, 8, 3, "tunnels: 't' exists already, in line 5");
	fixture_expect(f, 9, 5, "tunnels.v: 'host' is missing");
	fixture_expect(f, 9, 5,
		       "tunnels.v: one of 'local', 'remote', 'dynamic', 'forwards' is needed");
	fixture_expect(f, 10, 3, "tunnels: '' is not a name");
	assert_int_equal(f->problems.count, 8);
}

static void test_a_mistake_in_a_host_is_said_once(void **state)
{
	struct fixture *f = *state;

	f->context.system = true;
	assert_null(fixture_load_text(f, "hosts:\n"
					 "  h: { identity: '', hold: x, address: a@b }\n"
					 "tunnels:\n"
					 "  a: { host: h, local: 1:x:1 }\n"
					 "  b: { host: h, local: 2:x:1 }\n"));
	assert_int_equal(f->problems.count, 3);
	fixture_expect(f, 2, 18, "hosts.h.identity: '': the path is empty");
	fixture_expect(f, 2, 28, "hosts.h.hold: 'x' is not a duration");
	fixture_expect(
		f, 2, 40,
		"hosts.h.address: the user does not belong into the address; write 'user: a'");
}

static void test_two_cannot_listen_in_one_place(void **state)
{
	struct fixture *f = *state;
	struct config *config;

	assert_null(fixture_load_text(f, "tunnels:\n"
					 "  z: { host: h, local: '[::1]:1:x:1' }\n"
					 "  a: { host: h, local: [2:x:1, 0:0::1/1/y/1] }\n"));
	fixture_expect(f, 3, 32, "tunnels.a.local: [::1]:1 is taken by tunnel 'z' in line 2");
	assert_int_equal(f->problems.count, 1);
	config = fixture_load_good(
		f, "tunnels:\n"
		   "  a: { host: h, local: ['127.0.0.1:1:x:1', '127.0.0.2:1:x:1', 2:x:1] }\n");
	config_free(config);
}

static struct config_tunnel *add(struct fixture *f, struct config *config, const char *name,
				 const char *json)
{
	json_t *object = json_loads(json, JSON_DECODE_ANY, NULL);
	struct config_tunnel *tunnel;
	struct node *tree;

	assert_non_null(object);
	tree = node_from_json(object, NULL);
	json_decref(object);
	assert_non_null(tree);
	config_problems_fini(&f->problems);
	tunnel = config_add_tunnel(config, name, tree, &f->problems);
	node_free(tree);
	assert_int_equal(tunnel == NULL, f->problems.count > 0);
	return tunnel;
}

static void test_added_tunnels(void **state)
{
	struct fixture *f = *state;
	struct config *config = fixture_load_good(f, layers);
	struct config_tunnel *t;

	t = add(f, config, "bb", "{\"host\": \"h1\", \"local\": [\"99:x:1\"], \"tags\": \"q\"}");
	assert_non_null(t);
	assert_string_equal(config_server(t, 0)->host, "one.example");
	assert_string_equal(config_server(t, 0)->user, "h");
	assert_string_equal(config_server(t, 0)->identities.items[0], "/d");
	assert_string_equal(t->source, "added");
	assert_int_equal(t->line, 0);
	assert_true(strv_contains(&t->tags, "q"));
	assert_ptr_equal(config_find(config, "bb"), t);
	assert_ptr_equal(config->tunnels[2], t);
	t = add(f, config, "ab",
		"{\"host\": \"x\", \"local\": {\"listen\": 98, \"target\": \"h:1\"}, "
		"\"identity\": \"~/k\"}");
	assert_string_equal(config_server(t, 0)->identities.items[0], "/home/me/k");
	config_remove(config, "bb");
	assert_null(config_find(config, "bb"));
	config_remove(config, "bb");
	assert_int_equal(config->tunnel_count, ARRAY_SIZE(composed) + 1);
	config_free(config);
}

static const struct {
	const char *name, *json, *says;
} bad_additions[] = {
	{ "a", "{}", "a tunnel named 'a' exists already" },
	{ "x y", "{}", "'x y' is not a name" },
	{ "", "{}", "'' is not a name" },
	{ "x", "[]", "a tunnel is a mapping of keys, not a list" },
	{ "x", "{}", "'host' is missing" },
	{ "x", "{\"host\": \"h\", \"local\": \"1:x:1\"}",
	  "local: localhost:1 is taken by tunnel 'a'" },
	{ "x", "{\"host\": \"h\", \"local\": [\"77:x:1\", \"77:x:2\"]}",
	  "local: localhost:77 is taken by tunnel 'x'" },
	{ "x", "{\"host\": \"h\", \"local\": \"77:x:1\", \"identity\": \"k\"}",
	  "identity: 'k': an absolute path is needed here" },
	{ "x", "{\"host\": \"h\", \"local\": 77}", "local: '77' does not say where to go" },
	{ "x", "{\"host\": null, \"local\": \"77:x:1\"}", "host: has no value" },
	{ "x", "{\"host\": true, \"local\": \"77:x:1\", \"hold\": -1}",
	  "hold: '-1' is not a duration" },
};

static void test_years_of_adding_and_removing(void **state)
{
	struct fixture *f = *state;
	struct config *config = fixture_load_good(f, layers);
	struct config by_hand = { 0 };

	for (int i = 0; i < 1000; i++) {
		assert_non_null(add(f, config, "x", "{\"host\": \"h\", \"local\": \"77:x:1\"}"));
		config_remove(config, "x");
	}
	config_free(config);
	assert_null(add(f, &by_hand, "x", "{}"));
	fixture_expect(f, 0, 0, "not loaded from a file");
}

static void test_bad_additions_change_nothing(void **state)
{
	struct fixture *f = *state;
	struct config *config = fixture_load_good(f, layers);

	for (size_t i = 0; i < ARRAY_SIZE(bad_additions); i++) {
		assert_null(add(f, config, bad_additions[i].name, bad_additions[i].json));
		fixture_expect(f, 0, 0, bad_additions[i].says);
		assert_null(f->problems.items[0].file);
		assert_int_equal(config->tunnel_count, ARRAY_SIZE(composed));
	}
	config_free(config);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_builtin_values),
		TEST(test_system_instance),
		TEST(test_nearest_wins),
		TEST(test_min_above_max_is_said_where_it_was_written),
		TEST(test_names),
		TEST(test_a_mistake_in_a_host_is_said_once),
		TEST(test_two_cannot_listen_in_one_place),
		TEST(test_added_tunnels),
		TEST(test_bad_additions_change_nothing),
		TEST(test_years_of_adding_and_removing),
	};

	return cmocka_run_group_tests_name("config_build", tests, NULL, NULL);
}
