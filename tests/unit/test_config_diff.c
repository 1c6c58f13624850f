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
#include "lib/str.h"
#include "lib/util.h"

/* One tunnel, before and after, and what lies between. */
static const struct {
	const char *from, *to;
	bool differs, reconnect, upkeep, forwards, cosmetic;
} changes[] = {
	{ "host: h, local: 1:x:1", "local: 1:x:1, host: h", false, false, false, false, false },
	{ "host: h, local: 1:x:1", "host: h, local: [1:x:1]", false, false, false, false, false },
	{ "host: h, local: 1:x:1", "host: h, local: localhost:1:x:1", false, false, false, false,
	  false },
	{ "host: h, local: [1:x:1, 2:x:1]", "host: h, local: [2:x:1, 1:x:1]", false, false, false,
	  false, false },
	{ "host: h, local: 1:x:1", "host: h, local: 1:x:1, hold: 10s", false, false, false, false,
	  false },
	{ "host: h, local: 1:x:1", "host: g, local: 1:x:1", true, true, false, false, true },
	{ "host: h, local: 1:x:1", "host: 'h:23', local: 1:x:1", true, true, false, false, true },
	{ "host: h, local: 1:x:1", "host: 'h:22', local: 1:x:1", true, false, false, false, true },
	{ "host: h, local: 1:x:1", "host: h, user: u, local: 1:x:1", true, true, false, false,
	  false },
	{ "host: h, local: 1:x:1, identity: /a", "host: h, local: 1:x:1, identity: /b", true, true,
	  false, false, false },
	{ "host: h, local: 1:x:1, identity: [/a, /b]", "host: h, local: 1:x:1, identity: [/b, /a]",
	  true, true, false, false, false },
	{ "host: h, local: 1:x:1", "host: h, local: 1:x:1, known_hosts: /k", true, true, false,
	  false, false },
	{ "host: h, local: 1:x:1", "host: h, local: 1:x:1, ciphers: aes128-ctr", true, true, false,
	  false, false },
	{ "host: h, local: 1:x:1", "host: h, local: 1:x:1, hold: 1s", true, false, true, false,
	  false },
	{ "host: h, local: 1:x:1", "host: h, local: 1:x:1, connect_timeout: 1s", true, false, true,
	  false, false },
	{ "host: h, local: 1:x:1", "host: h, local: 1:x:1, keepalive: { interval: 1s }", true,
	  false, true, false, false },
	{ "host: h, local: 1:x:1", "host: h, local: 1:x:1, keepalive: { count: 1 }", true, false,
	  true, false, false },
	{ "host: h, local: 1:x:1", "host: h, local: 1:x:1, reconnect: { min: 1s }", true, false,
	  true, false, false },
	{ "host: h, local: 1:x:1", "host: h, local: 1:x:1, reconnect: { max: 1s }", true, false,
	  true, false, false },
	{ "host: h, local: 1:x:1", "host: h, local: 1:x:1, reconnect: { stable: 1s }", true, false,
	  true, false, false },
	{ "host: [a, b], local: 1:x:1", "host: [a, b], prefer: any, local: 1:x:1", true, false,
	  true, false, false },
	{ "host: [a, b], local: 1:x:1", "host: [a, b], failback: 1m, local: 1:x:1", true, false,
	  true, false, false },
	{ "host: [a, b], local: 1:x:1", "host: [a, b, c], local: 1:x:1", true, true, false, false,
	  true },
	{ "host: [a, b], local: 1:x:1", "host: [b, a], local: 1:x:1", true, true, false, false,
	  true },
	{ "host: h, local: 1:x:1", "host: h, local: 2:x:1", true, false, false, true, false },
	{ "host: h, local: 1:x:1", "host: h, local: 1:x:2", true, false, false, true, false },
	{ "host: h, local: 1:x:1", "host: h, local: 1:y:1", true, false, false, true, false },
	{ "host: h, local: 1:x:1", "host: h, local: ['*:1:x:1']", true, false, false, true, false },
	{ "host: h, local: 1:x:1", "host: h, local: [1:x:1, 2:x:1]", true, false, false, true,
	  false },
	{ "host: h, local: 1:x:1", "host: h, local: { name: n, listen: 1, target: 'x:1' }", true,
	  false, false, true, false },
	{ "host: h, local: 1:x:1", "host: h, remote: 1:x:1", true, false, false, true, false },
	{ "host: h, dynamic: 1", "host: h, dynamic: localhost:1", false, false, false, false,
	  false },
	{ "host: h, dynamic: 1", "host: h, dynamic: { listen: 1, allow: 'a:1' }", true, false,
	  false, true, false },
	{ "host: h, remote: { listen: 1, allow: 'a:1' }",
	  "host: h, remote: { listen: 1, allow: any }", true, false, false, true, false },
	{ "host: h, local: 1-2:x:1-2", "host: h, local: 1-3:x:1-3", true, false, false, true,
	  false },
	{ "host: h, local: 1:x:1", "host: h, local: { listen: 1, target: 'x:1', idle_timeout: 1m }",
	  true, false, false, true, false },
	{ "host: h, local: 1:x:1",
	  "host: h, local: { listen: 1, target: 'x:1', max_connections: 1 }", true, false, false,
	  true, false },
	{ "host: h, local: '/a:x:1'", "host: h, local: { listen: /a, target: 'x:1', mode: 0600 }",
	  false, false, false, false, false },
	{ "host: h, local: '/a:x:1'", "host: h, local: { listen: /a, target: 'x:1', mode: 0660 }",
	  true, false, false, true, false },
	{ "host: h, local: '/a:x:1'", "host: h, local: { listen: /a, target: 'x:1', group: g }",
	  true, false, false, true, false },
	{ "host: h, local: '1:/a'", "host: h, local: '1:/b'", true, false, false, true, false },
	{ "host: h, local: 1:x:1", "host: h, local: 1:x:1, exit_on_forward_failure: yes", true,
	  false, true, false, false },
	{ "host: h, local: 1:x:1", "host: h, local: 1:x:1, tags: a", true, false, false, false,
	  true },
	{ "host: h, local: 1:x:1", "host: h, local: 1:x:1, start: manual", true, false, false,
	  false, true },
	{ "host: h, local: 1:x:1", "host: g, local: 2:x:1, hold: 1s, tags: a", true, true, true,
	  true, true },
};

static struct config *load(struct fixture *f, const char *tunnel)
{
	char *text = str_printf("tunnels:\n  t: { %s }\n", tunnel);
	struct config *config = fixture_load_good(f, text);

	free(text);
	return config;
}

static void test_changes(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
		struct config *from = load(*state, changes[i].from),
			      *to = load(*state, changes[i].to);
		struct config_diff diff;

		assert_int_equal(config_diff(from, to, &diff, NULL), 0);
		assert_int_equal(diff.count, changes[i].differs);
		assert_int_equal(diff.unchanged, !changes[i].differs);
		if (diff.count > 0) {
			const struct tunnel_change *change = &diff.items[0];

			assert_int_equal(change->kind, CONFIG_CHANGED);
			assert_ptr_equal(change->from, from->tunnels[0]);
			assert_ptr_equal(change->to, to->tunnels[0]);
			if (change->reconnect != changes[i].reconnect ||
			    change->upkeep != changes[i].upkeep ||
			    change->forwards != changes[i].forwards ||
			    change->cosmetic != changes[i].cosmetic)
				fail_msg("%s => %s: %d%d%d%d", changes[i].from, changes[i].to,
					 change->reconnect, change->upkeep, change->forwards,
					 change->cosmetic);
		}
		config_diff_fini(&diff);
		config_free(from);
		config_free(to);
	}
}

static void test_order_of_changes(void **state)
{
	struct config *from = fixture_load_good(*state, "tunnels:\n"
							"  a: { host: h, local: 1:x:1 }\n"
							"  b: { host: h, local: 2:x:1 }\n"
							"  d: { host: h, local: 4:x:1 }\n"
							"  e: { host: h, local: 5:x:1 }\n");
	struct config *to = fixture_load_good(*state, "# moved down by a line\n"
						      "tunnels:\n"
						      "  0: { host: h, local: 2:x:1 }\n"
						      "  a: { host: h, local: 1:x:1 }\n"
						      "  c: { host: h, local: 3:x:1 }\n"
						      "  d: { host: g, local: 4:x:1 }\n"
						      "  f: { host: h, local: 5:x:1 }\n");
	static const struct {
		enum config_change kind;
		const char *name;
	} expected[] = {
		{ CONFIG_REMOVED, "b" }, { CONFIG_REMOVED, "e" }, { CONFIG_CHANGED, "d" },
		{ CONFIG_ADDED, "0" },   { CONFIG_ADDED, "c" },   { CONFIG_ADDED, "f" },
	};
	struct config_diff diff;

	assert_int_equal(config_diff(from, to, &diff, NULL), 0);
	assert_int_equal(diff.count, ARRAY_SIZE(expected));
	assert_int_equal(diff.unchanged, 1);
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		const struct tunnel_change *change = &diff.items[i];

		assert_int_equal(change->kind, expected[i].kind);
		assert_string_equal((change->from ? change->from : change->to)->name,
				    expected[i].name);
		assert_int_equal(change->from == NULL, change->kind == CONFIG_ADDED);
		assert_int_equal(change->to == NULL, change->kind == CONFIG_REMOVED);
	}
	config_diff_fini(&diff);
	config_free(from);
	config_free(to);
}

static void test_nothing(void **state)
{
	struct config empty = { 0 };
	struct config_diff diff;

	assert_int_equal(config_diff(&empty, &empty, &diff, NULL), 0);
	assert_int_equal(diff.count, 0);
	assert_int_equal(diff.unchanged, 0);
	config_diff_fini(&diff);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_changes),
		TEST(test_order_of_changes),
		TEST(test_nothing),
	};

	return cmocka_run_group_tests_name("config_diff", tests, NULL, NULL);
}
