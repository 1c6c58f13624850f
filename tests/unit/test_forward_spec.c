/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/forward_spec.h"
#include "lib/util.h"

static const struct {
	const char *text, *listen_host;
	uint16_t listen_port;
	const char *target_host;
	uint16_t target_port;
} good[] = {
	{ "5432:db:5433", "localhost", 5432, "db", 5433 },
	{ "  5432:db:5433", "localhost", 5432, "db", 5433 },
	{ "127.0.0.1:5432:db:5433", "127.0.0.1", 5432, "db", 5433 },
	{ "localhost:5432:db:5433", "localhost", 5432, "db", 5433 },
	{ "LocalHost:5432:DB:5433", "localhost", 5432, "DB", 5433 },
	{ "*:5432:db:5433", "*", 5432, "db", 5433 },
	{ ":5432:db:5433", "*", 5432, "db", 5433 },
	{ "0.0.0.0:5432:db:5433", "0.0.0.0", 5432, "db", 5433 },
	{ "[::1]:5432:db:5433", "::1", 5432, "db", 5433 },
	{ "[0:0:0:0:0:0:0:1]:5432:db:5433", "::1", 5432, "db", 5433 },
	{ "[fe80::1%eth0]:5432:db:5433", "fe80::1%eth0", 5432, "db", 5433 },
	{ "[::1]:5432:[fd00::1]:5433", "::1", 5432, "fd00::1", 5433 },
	{ "5432:[fd00::1]:5433", "localhost", 5432, "fd00::1", 5433 },
	{ "[127.0.0.1]:[5432]:[db]:[5433]", "127.0.0.1", 5432, "db", 5433 },
	{ "\\:\\:1:5432:db:5433", "::1", 5432, "db", 5433 },
	{ "5432:fd00\\:\\:1:5433", "localhost", 5432, "fd00::1", 5433 },
	{ "5432:d\\b:5433", "localhost", 5432, "db", 5433 },
	{ "::1/5432/db/5433", "::1", 5432, "db", 5433 },
	{ "::1/5432/fd00::1/5433", "::1", 5432, "fd00::1", 5433 },
	{ "[::1]/5432/[fd00::1]/5433", "::1", 5432, "fd00::1", 5433 },
	{ "5432/db/5433", "localhost", 5432, "db", 5433 },
	{ "*/5432/db/5433", "*", 5432, "db", 5433 },
	{ "/5432/db/5433", "*", 5432, "db", 5433 },
	{ "8080:web:http", "localhost", 8080, "web", 80 },
	{ "postgresql:db:postgresql", "localhost", 5432, "db", 5432 },
	{ "1:h:65535", "localhost", 1, "h", 65535 },
};

static void test_good(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct forward_spec f;
		struct err err = { 0 };

		if (forward_spec_parse(good[i].text, &f, &err) < 0)
			fail_msg("%s: %s", good[i].text, err.msg);
		assert_string_equal(f.listen_host, good[i].listen_host);
		assert_int_equal(f.listen_port, good[i].listen_port);
		assert_string_equal(f.target_host, good[i].target_host);
		assert_int_equal(f.target_port, good[i].target_port);
	}
}

static const struct {
	const char *text, *says;
} bad[] = {
	{ "", "write [bind:]port:host:hostport" },
	{ "5432", "does not say where to go; write 5432:host:port" },
	{ "8080:80", "does not say which host to go to; write 8080:localhost:80" },
	{ "db:5432", "does not say where to listen; write 5432:db:5432" },
	{ "db", "is not a forward; write [bind:]port:host:hostport" },
	{ "::1:5432:db:5432", "put IPv6 addresses in brackets" },
	{ "a:1:b:2:c", "too many parts" },
	{ "1:b:2:", "the port to listen on: 'b' is not a port" },
	{ "[::1:5432:db:5432", "a '[' without a matching ']'" },
	{ "[::1]5432:db:5432", "a '[' without a matching ']'" },
	{ "0:db:5432", "cannot listen on port 0" },
	{ "00:db:5432", "cannot listen on port 0" },
	{ "65536:db:5432", "the port to listen on: '65536' is not a port" },
	{ "54x:db:5432", "the port to listen on: '54x' is not a port" },
	{ "1:db:0", "the target: '0' is not a port" },
	{ "1:db:", "the target: '' is not a port" },
	{ "1::2", "the target has no host; write localhost" },
	{ "1:*:2", "the target: '*' is not a host name" },
	{ "1:-db:2", "begins with '-'" },
	{ "1:d b:2", "contains a space" },
	{ "h b:1:db:2", "where to listen: " },
	{ "1:db:2\\", "ends with a backslash" },
	{ "/run/x.sock:db:1", "is a Unix socket; this version" },
	{ "1:/run/x.sock", "is a Unix socket; this version" },
	{ "h:1:/run/x.sock", "is a Unix socket; this version" },
	{ "/run/a.sock:/run/b.sock", "is a Unix socket; this version" },
	{ "8080:/1/2/3", "is a Unix socket; this version" },
	{ "1:${HOME}:2", "names an environment variable" },
	{ "1:db:2\n", "is not a port" },
};

static void test_bad(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct forward_spec f;
		struct err err = { 0 };

		if (forward_spec_parse(bad[i].text, &f, &err) == 0)
			fail_msg("%s was accepted", bad[i].text);
		assert_int_equal(err.code, ERR_CONFIG);
		if (!strstr(err.msg, bad[i].says))
			fail_msg("'%s': %s", bad[i].text, err.msg);
	}
}

static void test_long_text_is_refused(void **state)
{
	char text[5000];
	struct forward_spec f;

	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	memcpy(text, "1:", 2);
	assert_int_equal(forward_spec_parse(text, &f, NULL), -1);
	text[400] = '\0';
	strcpy(text + 396, ":22");
	assert_int_equal(forward_spec_parse(text, &f, NULL), -1);
	strcpy(text + 2 + ENDPOINT_HOST_MAX, ":22");
	assert_int_equal(forward_spec_parse(text, &f, NULL), 0);
}

static const struct {
	const char *text, *host;
	uint16_t port;
	const char *says;
} listens[] = {
	{ "5432", "localhost", 5432, NULL },
	{ "*:5432", "*", 5432, NULL },
	{ ":5432", "*", 5432, NULL },
	{ "[::1]:5432", "::1", 5432, NULL },
	{ "127.0.0.1:5432", "127.0.0.1", 5432, NULL },
	{ "0", NULL, 0, "cannot listen on port 0" },
	{ "::1:5432", NULL, 0, "put IPv6 addresses in brackets" },
	{ "localhost", NULL, 0, "has no port" },
	{ "/run/x.sock", NULL, 0, "is a Unix socket" },
	{ "70000", NULL, 0, "is not a port" },
};

static void test_listen(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(listens); i++) {
		char host[ENDPOINT_HOST_MAX + 1];
		struct err err = { 0 };
		uint16_t port = 0;
		int result = forward_listen_parse(listens[i].text, host, &port, &err);

		if (listens[i].says) {
			assert_int_equal(result, -1);
			assert_non_null(strstr(err.msg, listens[i].says));
			continue;
		}
		assert_int_equal(result, 0);
		assert_string_equal(host, listens[i].host);
		assert_int_equal(port, listens[i].port);
	}
}

static const struct {
	const char *text, *host;
	uint16_t port;
	const char *says;
} targets[] = {
	{ "db:5432", "db", 5432, NULL },
	{ "[::1]:5432", "::1", 5432, NULL },
	{ "db:http", "db", 80, NULL },
	{ "db", NULL, 0, "has no port; write host:port" },
	{ "5432", NULL, 0, "has no port; write host:port" },
	{ ":5432", NULL, 0, "the target has no host" },
	{ "a:b:c", NULL, 0, "put IPv6 addresses in brackets" },
	{ "/run/x.sock", NULL, 0, "is a Unix socket" },
};

static void test_target(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
		char host[ENDPOINT_HOST_MAX + 1];
		struct err err = { 0 };
		uint16_t port = 0;
		int result = forward_target_parse(targets[i].text, host, &port, &err);

		if (targets[i].says) {
			assert_int_equal(result, -1);
			assert_non_null(strstr(err.msg, targets[i].says));
			continue;
		}
		assert_int_equal(result, 0);
		assert_string_equal(host, targets[i].host);
		assert_int_equal(port, targets[i].port);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_long_text_is_refused),
		cmocka_unit_test(test_listen),
		cmocka_unit_test(test_target),
	};

	return cmocka_run_group_tests_name("forward_spec", tests, NULL, NULL);
}
