/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/allow.h"

static const struct {
	const char *rule, *host;
	uint16_t port;
	bool matches;
} cases[] = {
	{ "any", "h", 1, true },
	{ "any", "10.0.0.1", 65535, true },
	{ "any", "", 0, true },
	{ "*:443", "h", 443, true },
	{ "*:443", "::1", 443, true },
	{ "*:443", "h", 444, false },
	{ "h:*", "h", 1, true },
	{ "h:8000-8010", "h", 7999, false },
	{ "h:8000-8010", "h", 8000, true },
	{ "h:8000-8010", "h", 8010, true },
	{ "h:8000-8010", "h", 8011, false },
	{ "h:http", "h", 80, true },
	/* names */
	{ "db.internal:5432", "db.internal", 5432, true },
	{ "db.internal:5432", "DB.Internal.", 5432, true },
	{ "DB.Internal.:5432", "db.internal", 5432, true },
	{ "db.internal:5432", "adb.internal", 5432, false },
	{ "db.internal:5432", "db.internal.evil", 5432, false },
	{ "db.internal:5432", "db.internal..", 5432, false },
	{ "db.internal:5432", "", 5432, false },
	{ "*.internal:443", "a.internal", 443, true },
	{ "*.internal:443", "a.b.INTERNAL.", 443, true },
	{ "*.internal:443", "internal", 443, false },
	{ "*.internal:443", ".internal", 443, false },
	{ "*.internal:443", "ainternal", 443, false },
	{ "*.internal:443", "a.internal.evil", 443, false },
	{ "*.1:443", "10.0.0.1", 443, false },
	{ "localhost:80", "127.0.0.1", 80, false },
	{ "b\xc3\xbc"
	  "cher.example:80",
	  "b\xc3\xbc"
	  "cher.example",
	  80, true },
	/* addresses */
	{ "10.0.0.1:22", "10.0.0.1", 22, true },
	{ "10.0.0.1:22", "10.0.0.2", 22, false },
	{ "10.0.0.1:22", "::ffff:10.0.0.1", 22, true },
	{ "10.0.0.1:22", "::FFFF:a00:1", 22, true },
	{ "10.0.0.1:22", "10.0.0.1.", 22, false },
	{ "10.0.0.1:22", "010.0.0.1", 22, false },
	{ "10.0.0.0/8:22", "10.255.1.2", 22, true },
	{ "10.0.0.0/8:22", "11.0.0.0", 22, false },
	{ "10.0.0.0/8:22", "::a00:1", 22, false },
	{ "10.0.0.0/8:22", "name.example", 22, false },
	{ "10.128.0.0/9:22", "10.127.0.1", 22, false },
	{ "10.128.0.0/9:22", "10.128.0.1", 22, true },
	{ "0.0.0.0/0:22", "192.0.2.1", 22, true },
	{ "0.0.0.0/0:22", "::1", 22, false },
	{ "[::1]:22", "0:0:0:0:0:0:0:1", 22, true },
	{ "[::1]:22", "::2", 22, false },
	{ "[fe80::1]:22", "fe80::1%eth0", 22, true },
	{ "[fd00::]/8:22", "fdff:1::2", 22, true },
	{ "[fd00::]/8:22", "fe00::", 22, false },
	{ "[::]/0:22", "2001:db8::1", 22, true },
	{ "[::]/0:22", "10.0.0.1", 22, false },
	{ "[::ffff:10.0.0.0]/104:22", "10.1.2.3", 22, true },
	{ "[::ffff:10.0.0.0]/104:22", "11.1.2.3", 22, false },
};

static void test_matches(void **state)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *rule = (char *)cases[i].rule;
		const struct strv rules = { &rule, 1 };
		struct err err = { 0 };

		if (allow_check(rule, &err) < 0)
			fail_msg("%s: %s", rule, err.msg);
		if (allow_matches(&rules, cases[i].host, cases[i].port) != cases[i].matches)
			fail_msg("%s %s:%u", rule, cases[i].host, cases[i].port);
	}
}

static void test_any_rule_is_enough_and_none_is_everything(void **state)
{
	char *items[] = { (char *)"a:1", (char *)"10.0.0.0/8:*", (char *)"c:3" };
	const struct strv rules = { items, 3 }, none = { 0 };

	assert_true(allow_matches(&rules, "a", 1));
	assert_true(allow_matches(&rules, "10.9.9.9", 9));
	assert_true(allow_matches(&rules, "c", 3));
	assert_false(allow_matches(&rules, "a", 3));
	assert_true(allow_matches(&none, "a", 3));
}

static const struct {
	const char *rule, *says;
} bad[] = {
	{ "", "has no port; write HOST:PORT, or HOST:* for every port" },
	{ "h", "has no port" },
	{ "10.0.0.0/8", "has no port" },
	{ "[::1]", "has no port" },
	{ "ANY", "has no port" },
	{ ":80", "the host name is empty" },
	{ "*.:80", "the host name is empty" },
	{ "h:", "the port of a destination: '' is not a port" },
	{ "h:0", "'0' is not a port" },
	{ "h:65536", "is not a port" },
	{ "h:2-1", "write the smaller one first" },
	{ "fd00::1:443", "put IPv6 addresses in brackets" },
	{ "a.*:80", "only '*' and '*.NAME' are known" },
	{ "*.*.a:80", "only '*' and '*.NAME' are known" },
	{ "*a:80", "only '*' and '*.NAME' are known" },
	{ "http://h:80", "more than one ':'" },
	{ "h/24:80", "is not a network" },
	{ "10.0.0/8:80", "is not a network" },
	{ "10.0.0.0/33:80", "write ADDRESS/0 to /32" },
	{ "10.0.0.0/:80", "is not a network" },
	{ "10.0.0.0/-1:80", "is not a network" },
	{ "10.0.0.0/8x:80", "is not a network" },
	{ "[fd00::]/129:80", "write [ADDRESS]/0 to /128" },
	{ "[::ffff:10.0.0.0]/8:80", "is neither an IPv4 nor an IPv6 network" },
	{ "[10.0.0.1]:80", "no IPv6 address in its brackets" },
	{ "[::1:80", "without a matching ']'" },
	{ "[::1]x:80", "without a matching ']'" },
	{ "a b:80", "contains a space" },
};

static void test_bad(void **state)
{
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char *rule = (char *)bad[i].rule;
		const struct strv rules = { &rule, 1 };
		struct err err = { 0 };

		if (allow_check(rule, &err) == 0)
			fail_msg("'%s' was accepted", rule);
		assert_int_equal(err.code, ERR_CONFIG);
		if (!strstr(err.msg, bad[i].says))
			fail_msg("'%s': %s", rule, err.msg);
		assert_false(allow_matches(&rules, "h", 80));
	}
}

static void test_long_ones(void **state)
{
	char text[600], *rule = text;
	const struct strv rules = { &rule, 1 };

	memset(text, 'a', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(allow_check(text, NULL), -1);
	assert_false(allow_matches(&rules, text, 80));
	strcpy(text + 255, ":80");
	assert_int_equal(allow_check(text, NULL), 0);
	assert_false(allow_matches(&rules, text, 80));
	strcpy(text + 256, ":80");
	assert_int_equal(allow_check(text, NULL), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_matches),
		cmocka_unit_test(test_any_rule_is_enough_and_none_is_everything),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_long_ones),
	};

	return cmocka_run_group_tests_name("allow", tests, NULL, NULL);
}
