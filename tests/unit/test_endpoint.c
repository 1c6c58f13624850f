/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/endpoint.h"
#include "lib/util.h"

static const struct {
	const char *text, *user, *host;
	uint16_t port;
} good[] = {
	{ "host", "", "host", 0 },
	{ "host:22", "", "host", 22 },
	{ "me@host", "me", "host", 0 },
	{ "me@work.example.com:2222", "me", "work.example.com", 2222 },
	{ "me@corp@host", "me@corp", "host", 0 }, /* the last '@', as ssh */
	{ "DOMAIN\\me@host", "DOMAIN\\me", "host", 0 },
	{ "192.0.2.7:65535", "", "192.0.2.7", 65535 },
	{ "::1", "", "::1", 0 },
	{ "2001:db8::7", "", "2001:db8::7", 0 },
	{ "[::1]", "", "::1", 0 },
	{ "[::1]:22", "", "::1", 22 },
	{ "me@[fe80::1%eth0]:22", "me", "fe80::1%eth0", 22 },
	{ "host_with-marks.", "", "host_with-marks.", 0 },
	{ "b\xc3\xbc"
	  "cher.example",
	  "",
	  "b\xc3\xbc"
	  "cher.example",
	  0 },
	{ "host:ssh", "", "host", 22 },
};

static void test_good(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct endpoint e;
		struct err err = { 0 };

		if (endpoint_parse(good[i].text, &e, &err) < 0)
			fail_msg("%s: %s", good[i].text, err.msg);
		assert_string_equal(e.user, good[i].user);
		assert_string_equal(e.host, good[i].host);
		assert_int_equal(e.port, good[i].port);
	}
}

static const struct {
	const char *text, *says;
} bad[] = {
	{ "", "the host name is empty" },
	{ "me@", "the host name is empty" },
	{ "@host", "the user name is empty" },
	{ ":22", "the host name is empty" },
	{ "host:", "'' is not a port" },
	{ "host:0", "'0' is not a port; write a number from 1 to 65535" },
	{ "host:65536", "is not a port" },
	{ "host:99999999999999999999", "is not a port" },
	{ "host:-1", "is not a port" },
	{ "host:22x", "is not a port" },
	{ "host:22:23", "more than one ':'" },
	{ "[::1", "write [IPv6] or [IPv6]:port" },
	{ "[::1]22", "write [IPv6] or [IPv6]:port" },
	{ "[::zz]", "neither a host name nor an IPv6 address" },
	{ "::zz::", "more than one ':'" },
	{ "-oProxyCommand=x", "begins with '-'" },
	{ "me@-host", "begins with '-'" },
	{ "-l@host", "begins with '-'" },
	{ "ho st", "contains a space" },
	{ "host\n", "'\\n' cannot stand in one" },
	{ "a,b", "',' cannot stand in one" },
	{ "*", "'*' cannot stand in one" },
	{ "!host", "'!' cannot stand in one" },
	{ "a/b", "'/' cannot stand in one" },
	{ "h\xff", "not valid UTF-8" },
	{ "m e@host", "is not a user name" },
	{ "m`e@host", "'`' cannot stand in one" },
	{ "ssh://me@host:22", "without the scheme" },
	{ "fe80::1%", "more than one ':'" },
	{ "fe80::1%a b", "more than one ':'" },
};

static void test_bad(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct endpoint e;
		struct err err = { 0 };

		if (endpoint_parse(bad[i].text, &e, &err) == 0)
			fail_msg("%s was accepted", bad[i].text);
		if (!strstr(err.msg, bad[i].says))
			fail_msg("'%s': %s", bad[i].text, err.msg);
	}
}

static void test_length(void **state)
{
	char text[700];
	struct endpoint e;

	memset(text, 'a', sizeof(text));
	text[ENDPOINT_HOST_MAX] = '\0';
	assert_int_equal(endpoint_parse(text, &e, NULL), 0);
	text[ENDPOINT_HOST_MAX] = 'a';
	text[ENDPOINT_HOST_MAX + 1] = '\0';
	assert_int_equal(endpoint_parse(text, &e, NULL), -1);
	text[ENDPOINT_HOST_MAX + 1] = 'a';
	text[sizeof(text) - 3] = '@';
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(endpoint_parse(text, &e, NULL), -1);
	text[ENDPOINT_USER_MAX] = '@';
	text[ENDPOINT_USER_MAX + 1] = 'h';
	text[ENDPOINT_USER_MAX + 2] = '\0';
	assert_int_equal(endpoint_parse(text, &e, NULL), 0);
}

static void test_format(void **state)
{
	char out[ENDPOINT_TEXT_MAX], host[ENDPOINT_HOST_MAX + 1];

	assert_string_equal(endpoint_format(out, "h", 22), "h:22");
	assert_string_equal(endpoint_format(out, "::1", 65535), "[::1]:65535");
	assert_string_equal(endpoint_format(out, "*", 1), "*:1");
	memset(host, ':', sizeof(host) - 1);
	host[sizeof(host) - 1] = '\0';
	assert_int_equal(strlen(endpoint_format(out, host, 65535)), ENDPOINT_HOST_MAX + 8);
}

static const struct {
	const char *text;
	uint16_t first, last; /* 0: refused */
} ranges[] = {
	{ "80", 80, 80 },
	{ "80-80", 80, 80 },
	{ "1-65535", 1, 65535 },
	{ "http", 80, 80 },
	{ "http-alt", 8080, 8080 },
	{ "", 0, 0 },
	{ "-", 0, 0 },
	{ "80-", 0, 0 },
	{ "-80", 0, 0 },
	{ "0-80", 0, 0 },
	{ "80-79", 0, 0 },
	{ "80-65536", 0, 0 },
	{ "80-90-100", 0, 0 },
	{ "80-http", 0, 0 },
	{ "80 -90", 0, 0 },
	{ "000000000080-90", 0, 0 },
};

static void test_ranges(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(ranges); i++) {
		uint16_t first = 0, last = 0;
		struct err err = { 0 };
		int result = port_range_parse(ranges[i].text, &first, &last, &err);

		assert_int_equal(result, ranges[i].first ? 0 : -1);
		if (result < 0) {
			assert_int_equal(err.code, ERR_CONFIG);
			continue;
		}
		assert_int_equal(first, ranges[i].first);
		assert_int_equal(last, ranges[i].last);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),   cmocka_unit_test(test_bad),
		cmocka_unit_test(test_length), cmocka_unit_test(test_format),
		cmocka_unit_test(test_ranges),
	};

	return cmocka_run_group_tests_name("endpoint", tests, NULL, NULL);
}
