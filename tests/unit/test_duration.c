/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/duration.h"
#include "lib/util.h"

static const struct {
	const char *text;
	unsigned ms;
	const char *formatted;
} good[] = {
	{ "0", 0, "0s" },
	{ "15", 15000, "15s" },
	{ "500ms", 500, "500ms" },
	{ "15s", 15000, "15s" },
	{ "5m", 300000, "5m" },
	{ "1h30m", 5400000, "1h30m" },
	{ "90m", 5400000, "1h30m" },
	{ "1m500ms", 60500, "1m500ms" },
	{ "1h2m3s4ms", 3723004, "1h2m3s4ms" },
	{ "0s", 0, "0s" },
	{ "007s", 7000, "7s" },
	{ "4294967295ms", 4294967295u, "1193h2m47s295ms" },
	{ "4294967", 4294967000u, "1193h2m47s" },
};

static void test_good(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		char text[DURATION_TEXT_MAX];
		unsigned ms, again;

		assert_int_equal(duration_parse(good[i].text, &ms, NULL), 0);
		assert_int_equal(ms, good[i].ms);
		assert_string_equal(duration_format(text, ms), good[i].formatted);
		assert_int_equal(duration_parse(text, &again, NULL), 0);
		assert_int_equal(again, ms);
	}
}

static const struct {
	const char *text, *says;
} bad[] = {
	{ "", "write 500ms" },
	{ "s", "write 500ms" },
	{ "-5", "write 500ms" },
	{ "+5s", "write 500ms" },
	{ "1.5s", "write 500ms" },
	{ "15 s", "write 500ms" },
	{ " 15s", "write 500ms" },
	{ "15S", "write 500ms" },
	{ "15sec", "write 500ms" },
	{ "1d", "write 500ms" },
	{ "1m30", "write 500ms" },
	{ "30m1h", "large units first" },
	{ "1s1s", "large units first" },
	{ "1200h", "too long" },
	{ "1193h3m", "too long" },
	{ "4294967296ms", "too long" },
	{ "4294968", "too long" },
	{ "99999999999999999999999999999", "too long" },
	{ "18446744073709551616s", "too long" },
};

static void test_bad(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct err err = { 0 };
		unsigned ms;

		assert_int_equal(duration_parse(bad[i].text, &ms, &err), -1);
		assert_int_equal(err.code, ERR_CONFIG);
		if (!strstr(err.msg, bad[i].says))
			fail_msg("'%s': %s", bad[i].text, err.msg);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
	};

	return cmocka_run_group_tests_name("duration", tests, NULL, NULL);
}
