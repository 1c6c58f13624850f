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
#include "lib/str.h"
#include "lib/util.h"

enum { PATIENCE_MS = 20000 };

/* Two forwards, and whether both can be. In one tunnel each, except that remote ones are in one. */
static const struct {
	const char *a, *b;
	const char *says; /* NULL: they can */
} pairs[] = {
	{ "local: 5:x:1", "local: 5:y:2",
	  "tunnels.b.local: localhost:5 is taken by tunnel 'a' in" },
	{ "local: 5:x:1", "dynamic: 5", "tunnels.b.dynamic: localhost:5 is taken by tunnel 'a'" },
	{ "local: 5:x:1", "local: 6:x:1", NULL },
	/* addresses */
	{ "local: 5:x:1", "local: 127.0.0.1:5:x:1",
	  "tunnels.b.local: 127.0.0.1:5 is taken by tunnel 'a' (localhost:5) in line 2" },
	{ "local: 5:x:1", "local: '[::1]:5:x:1'", "[::1]:5 is taken by tunnel 'a' (localhost:5)" },
	{ "local: 127.0.0.1:5:x:1", "local: '[::1]:5:x:1'", NULL },
	{ "local: 127.0.0.1:5:x:1", "local: 127.0.0.2:5:x:1", NULL },
	{ "local: 5:x:1", "local: 127.0.0.2:5:x:1", NULL },
	{ "local: '*:5:x:1'", "local: 127.0.0.2:5:x:1",
	  "127.0.0.2:5 is taken by tunnel 'a' (*:5)" },
	{ "local: 127.0.0.2:5:x:1", "local: '*:5:x:1'",
	  "*:5 is taken by tunnel 'a' (127.0.0.2:5)" },
	{ "local: '*:5:x:1'", "local: '[fe80::1%eth0]:5:x:1'", "(*:5)" },
	{ "local: '*:5:x:1'", "local: my.host:5:x:1", "my.host:5 is taken by tunnel 'a' (*:5)" },
	{ "local: '*:5:x:1'", "local: '*:5:x:1'", "*:5 is taken by tunnel 'a' in line 2" },
	{ "local: 0.0.0.0:5:x:1", "local: 127.0.0.2:5:x:1", "(0.0.0.0:5)" },
	{ "local: 0.0.0.0:5:x:1", "local: 5:x:1",
	  "localhost:5 is taken by tunnel 'a' (0.0.0.0:5)" },
	{ "local: 0.0.0.0:5:x:1", "local: '[::]:5:x:1'", NULL },
	{ "local: 0.0.0.0:5:x:1", "local: '[::1]:5:x:1'", NULL },
	{ "local: 0.0.0.0:5:x:1", "local: my.host:5:x:1", NULL },
	{ "local: '[::]:5:x:1'", "local: '*:5:x:1'", "*:5 is taken by tunnel 'a' ([::]:5)" },
	{ "local: my.host:5:x:1", "local: MY.host:5:x:1", "my.host:5 is taken" },
	{ "local: my.host:5:x:1", "local: 10.0.0.1:5:x:1", NULL },
	/* ranges */
	{ "local: 5-9:x:1-5", "local: 9:x:1",
	  "localhost:9 is taken by tunnel 'a' (localhost:5-9)" },
	{ "local: 9:x:1", "local: 5-9:x:1-5",
	  "localhost:5-9 is taken by tunnel 'a' (localhost:9)" },
	{ "local: 5-9:x:1-5", "local: 10-12:x:1-3", NULL },
	{ "local: 5-9:x:1-5", "local: 4:x:1", NULL },
	{ "local: '*:5-9:x:1-5'", "local: 127.0.0.1:7-20:x:7-20",
	  "127.0.0.1:7-20 is taken by tunnel 'a' (*:5-9)" },
	{ "local: '*:5-9:x:1-5'", "local: 127.0.0.1:10-20:x:10-20", NULL },
	/* paths */
	{ "local: '/run/a:x:1'", "local: '/run/a:y:1'", "/run/a is taken by tunnel 'a' in" },
	{ "local: '/run/a:x:1'", "dynamic: /run/a", "tunnels.b.dynamic: /run/a is taken" },
	{ "local: 'd/a:x:1'", "dynamic: d/a", "/d/a is taken by tunnel 'a'" },
	{ "local: '/run/a:x:1'", "local: '/run/A:x:1'", NULL },
	/* what is on servers */
	{ "remote: 5:x:1", "remote: 5:x:1", NULL },
	{ "remote: 5:x:1", "local: 5:x:1", NULL },
	{ "remote: [5:x:1, 5:x:2]", "local: 5:x:1",
	  "tunnels.a.remote: localhost:5 is taken by tunnel 'a' in line 2" },
	{ "remote: [5:x:1, 'LocalHost:5:x:2']", "local: 5:x:1", "LocalHost:5 is taken" },
	{ "remote: [5:x:1, '*:5:x:2']", "local: 5:x:1",
	  "*:5 is taken by tunnel 'a' (localhost:5)" },
	{ "remote: [5-9:x:1-5, '8:x:2']", "local: 5:x:1", "localhost:8 is taken" },
	{ "remote: [0:x:1, 0:x:2]", "local: 5:x:1", NULL },
	{ "remote: ['10.0.0.1:5:x:1', '10.0.0.2:5:x:2']", "local: 5:x:1", NULL },
};

static void test_pairs(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		struct config *config;
		char text[512];

		snprintf(text, sizeof(text),
			 "tunnels:\n  a: { host: h, %s }\n  b: { host: h, %s }\n", pairs[i].a,
			 pairs[i].b);
		if (!pairs[i].says) {
			config = fixture_load_good(f, text);
			config_free(config);
			continue;
		}
		assert_null(fixture_load_text(f, text));
		fixture_expect(f, 0, 0, pairs[i].says);
		assert_int_equal(f->problems.count, 1);
	}
}

static void test_the_place_of_each(void **state)
{
	struct fixture *f = *state;

	assert_null(fixture_load_text(f, "tunnels:\n"
					 "  a:\n"
					 "    remote: 1:x:1\n"
					 "    host: h\n"
					 "    dynamic:\n"
					 "      - 5\n"
					 "      - { listen: 6 }\n"
					 "    local:\n"
					 "      - 4-7:x:4-7\n"
					 "      - 6:x:1\n"));
	fixture_expect(f, 9, 9,
		       "tunnels.a.local: localhost:4-7 is taken by tunnel 'a' "
		       "(localhost:5) in line 6");
	fixture_expect(f, 10, 9, "localhost:6 is taken by tunnel 'a' (localhost:4-7) in line 9");
}

/* Many overlapping ranges on many addresses are no reason to compare everything with everything. */
static void test_many_ranges_are_checked_fast(void **state)
{
	struct fixture *f = *state;
	struct strbuf text = { 0 };
	uint64_t start = monotonic_ms();
	struct config *config;

	strbuf_add(&text, "tunnels:\n");
	for (int i = 0; i < 15000; i++)
		strbuf_addf(&text, " t%d: {host: h, local: '127.%d.%d.1:1-999:h:1-999'}\n", i,
			    1 + i / 200, i % 200);
	config = fixture_load_good(f, text.data);
	assert_in_range(monotonic_ms() - start, 0, PATIENCE_MS);
	config_free(config);
	strbuf_fini(&text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_pairs),
		TEST(test_the_place_of_each),
		TEST(test_many_ranges_are_checked_fast),
	};

	return cmocka_run_group_tests_name("config_listen", tests, NULL, NULL);
}
