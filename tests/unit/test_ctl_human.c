/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "ctl/human.h"
#include "lib/util.h"

static void test_bytes(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} cases[] = {
		{ 0, "0 B" },           { 1023, "1023 B" },        { 1024, "1.0 KiB" },
		{ 10188, "9.9 KiB" },   { 10189, "10 KiB" },       { 1048063, "1023 KiB" },
		{ 1048064, "1.0 MiB" }, { 1ull << 40, "1.0 TiB" }, { UINT64_MAX, "16 EiB" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[HUMAN_MAX];

		assert_string_equal(human_bytes(text, cases[i].bytes), cases[i].text);
	}
}

static void test_duration(void **state)
{
	static const struct {
		uint64_t seconds;
		const char *text;
	} cases[] = {
		{ 0, "0s" },       { 59, "59s" },     { 60, "1m00s" },   { 599, "9m59s" },
		{ 600, "10m" },    { 3599, "59m" },   { 3600, "1h00m" }, { 86399, "23h59m" },
		{ 86400, "1d0h" }, { 93600, "1d2h" }, { 864000, "10d" }, { 31536000, "365d" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[HUMAN_MAX];

		assert_string_equal(human_duration(text, cases[i].seconds * 1000), cases[i].text);
	}
}

static void test_rtt(void **state)
{
	char text[HUMAN_MAX];

	assert_string_equal(human_rtt(text, 0.04), "0.0 ms");
	assert_string_equal(human_rtt(text, 9.94), "9.9 ms");
	assert_string_equal(human_rtt(text, 9.96), "10 ms");
	assert_string_equal(human_rtt(text, 999.4), "999 ms");
	assert_string_equal(human_rtt(text, 1234), "1.2 s");
}

static void test_settings(void **state)
{
	char text[HUMAN_MAX];

	assert_string_equal(human_setting_ms(text, 0), "0");
	assert_string_equal(human_setting_ms(text, 500), "500ms");
	assert_string_equal(human_setting_ms(text, 15000), "15s");
	assert_string_equal(human_setting_ms(text, 90500), "1m30s500ms");
	assert_string_equal(human_setting_ms(text, 3600000), "1h");
}

static void test_parse_time(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
	} cases[] = {
		{ "1970-01-01T00:00:01Z", 1000 },
		{ "1970-01-01T00:00:01.5Z", 1500 },
		{ "1970-01-01T00:00:01.123456789Z", 1123 },
		{ "1970-01-01T02:00:00+02:00", 0 },
		{ "1969-12-31T19:00:01-05:00", 1000 },
		{ "2025-11-20T13:03:20Z", 1763643800000 },
		{ "", -1 },
		{ "yesterday", -1 },
		{ "2025-11-20T13:03:20", -1 },
		{ "2025-11-20T13:03:20Zulu", -1 },
		{ "2025-11-20T13:03:20+2", -1 },
		{ "2025-11-20T13:03:20+02:00 ", -1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(human_parse_time(cases[i].text), cases[i].ms);
}

static void test_time_is_local(void **state)
{
	char text[HUMAN_MAX];

	setenv("TZ", "UTC-1", 1);
	tzset();
	assert_string_equal(human_time(text, 1763643800000), "2025-11-20 14:03:20");
	assert_string_equal(human_time(text, -1), "-");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes),      cmocka_unit_test(test_duration),
		cmocka_unit_test(test_rtt),        cmocka_unit_test(test_settings),
		cmocka_unit_test(test_parse_time), cmocka_unit_test(test_time_is_local),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
