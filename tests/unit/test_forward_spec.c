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

#define L FORWARD_LOCAL
#define R FORWARD_REMOTE
#define D FORWARD_DYNAMIC

/* A text, the types it is good for, and what it means: LISTEN -> TARGET as config_end_text() writes
 * them. */
static const struct {
	const char *types, *text, *listen, *target;
} good[] = {
	{ "LR", "5432:db:5433", "localhost:5432", "db:5433" },
	{ "LR", "  5432:db:5433", "localhost:5432", "db:5433" },
	{ "LR", "127.0.0.1:5432:db:5433", "127.0.0.1:5432", "db:5433" },
	{ "LR", "localhost:5432:db:5433", "localhost:5432", "db:5433" },
	{ "L", "LocalHost:5432:DB:5433", "localhost:5432", "DB:5433" },
	{ "R", "LocalHost:5432:DB:5433", "LocalHost:5432", "DB:5433" },
	{ "LR", "*:5432:db:5433", "*:5432", "db:5433" },
	{ "LR", ":5432:db:5433", "*:5432", "db:5433" },
	{ "LR", "0.0.0.0:5432:db:5433", "0.0.0.0:5432", "db:5433" },
	{ "LR", "[::1]:5432:db:5433", "[::1]:5432", "db:5433" },
	{ "L", "[0:0:0:0:0:0:0:1]:5432:db:5433", "[::1]:5432", "db:5433" },
	{ "R", "[0:0:0:0:0:0:0:1]:5432:db:5433", "[0:0:0:0:0:0:0:1]:5432", "db:5433" },
	{ "LR", "[fe80::1%eth0]:5432:db:5433", "[fe80::1%eth0]:5432", "db:5433" },
	{ "LR", "[::1]:5432:[fd00::1]:5433", "[::1]:5432", "[fd00::1]:5433" },
	{ "LR", "5432:[fd00::1]:5433", "localhost:5432", "[fd00::1]:5433" },
	{ "LR", "[127.0.0.1]:[5432]:[db]:[5433]", "127.0.0.1:5432", "db:5433" },
	{ "LR", "\\:\\:1:5432:db:5433", "[::1]:5432", "db:5433" },
	{ "LR", "5432:fd00\\:\\:1:5433", "localhost:5432", "[fd00::1]:5433" },
	{ "LR", "5432:d\\b:5433", "localhost:5432", "db:5433" },
	{ "LR", "::1/5432/db/5433", "[::1]:5432", "db:5433" },
	{ "LR", "::1/5432/fd00::1/5433", "[::1]:5432", "[fd00::1]:5433" },
	{ "LR", "[::1]/5432/[fd00::1]/5433", "[::1]:5432", "[fd00::1]:5433" },
	{ "LR", "5432/db/5433", "localhost:5432", "db:5433" },
	{ "LR", "*/5432/db/5433", "*:5432", "db:5433" },
	{ "LR", "/5432/db/5433", "*:5432", "db:5433" },
	{ "LR", "8080:web:http", "localhost:8080", "web:80" },
	{ "LR", "postgresql:db:postgresql", "localhost:5432", "db:5432" },
	{ "LR", "1:h:65535", "localhost:1", "h:65535" },
	{ "LR", "1:h:2:", "localhost:1", "h:2" },
	{ "R", "0:db:5433", "localhost:0", "db:5433" },
	{ "R", "*:0:db:5433", "*:0", "db:5433" },
	{ "R", "work.example.com:80:h:80", "work.example.com:80", "h:80" },
	/* ranges */
	{ "LR", "8000-8010:h:9000-9010", "localhost:8000-8010", "h:9000-9010" },
	{ "LR", "*:1-1024:h:1-1024", "*:1-1024", "h:1-1024" },
	{ "LR", "80-80:h:81", "localhost:80", "h:81" },
	{ "LR", "[::1]/80-81/h/82-83", "[::1]:80-81", "h:82-83" },
	{ "LR", "http-alt:h:8080", "localhost:8080", "h:8080" },
	/* Unix sockets */
	{ "L", "5432:/run/pg.sock", "localhost:5432", "/run/pg.sock" },
	{ "R", "5432:/run/pg.sock", "localhost:5432", "/run/pg.sock" },
	{ "LR", "*:5432:/run/pg.sock", "*:5432", "/run/pg.sock" },
	{ "LR", "[::1]:5432:/run/pg.sock", "[::1]:5432", "/run/pg.sock" },
	{ "L", "/run/a.sock:/run/b.sock", "/run/a.sock", "/run/b.sock" },
	{ "L", "/run/a.sock:db:5432", "/run/a.sock", "db:5432" },
	{ "L", "run/a.sock:[fd00::1]:5432", "run/a.sock", "[fd00::1]:5432" },
	{ "R", "5432:run/pg.sock", "localhost:5432", "run/pg.sock" },
	{ "R", "0:./pg.sock", "localhost:0", "./pg.sock" },
	{ "L", "/run/a\\:b:/run/c\\\\d", "/run/a:b", "/run/c\\d" },
	{ "LR", "8080:/1/2/3", "localhost:8080", "/1/2/3" },
	{ "D", "/run/socks.sock", "/run/socks.sock", "any" },
	{ "D", "5432/db/5433", "5432/db/5433", "any" },
	/* without a target */
	{ "DR", "1080", "localhost:1080", "any" },
	{ "DR", "1080:", "localhost:1080", "any" },
	{ "DR", "socks", "localhost:1080", "any" },
	{ "DR", ":1080", "*:1080", "any" },
	{ "DR", "*:1080", "*:1080", "any" },
	{ "DR", "localhost:1080", "localhost:1080", "any" },
	{ "DR", "192.0.2.1:1080", "192.0.2.1:1080", "any" },
	{ "DR", "[::1]:1080", "[::1]:1080", "any" },
	{ "DR", "::1/1080", "[::1]:1080", "any" },
	{ "DR", "localhost/1080", "localhost:1080", "any" },
	{ "R", "0", "localhost:0", "any" },
	{ "R", "*:0", "*:0", "any" },
};

static enum forward_type type_of(char letter)
{
	return letter == 'L' ? FORWARD_LOCAL : letter == 'R' ? FORWARD_REMOTE : FORWARD_DYNAMIC;
}

static void expect_end(const struct forward_end *end, const char *text)
{
	const struct config_end shown = { end->kind, (char *)end->host, end->port };
	char out[CONFIG_END_TEXT_MAX];

	assert_string_equal(config_end_text(out, sizeof(out), &shown, end->port_count), text);
}

static void test_good(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		for (const char *type = good[i].types; *type; type++) {
			struct forward_spec f;
			struct err err = { 0 };

			if (forward_spec_parse(good[i].text, type_of(*type), &f, &err) < 0)
				fail_msg("-%c %s: %s", *type, good[i].text, err.msg);
			expect_end(&f.listen, good[i].listen);
			expect_end(&f.target, good[i].target);
		}
	}
}

static const struct {
	enum forward_type type;
	const char *text, *says;
} bad[] = {
	{ L, "", "write [bind:]port:host:hostport" },
	{ D, "", "write [bind:]port" },
	{ L, "5432", "does not say where to go; write 5432:host:port" },
	{ L, "8080:80",
	  "does not say which host to go to; write 8080:localhost:80 for the server" },
	{ R, "2222:22", "write 2222:localhost:22 for this machine" },
	{ L, "db:5432", "does not say where to listen; write 5432:db:5432" },
	{ L, "db", "is not a forward; write [bind:]port:host:hostport" },
	{ R, "db", "the port to listen on: 'db' is not a port" },
	{ D, "db", "the port to listen on: 'db' is not a port" },
	{ L, "::1:5432:db:5432", "put IPv6 addresses in brackets" },
	{ D, "::1:1080", "has a target" },
	{ D, "fd00:1:2:3::4:1080", "put IPv6 addresses in brackets: [::1]:5432" },
	{ L, "a:1:b:2:c", "too many parts" },
	{ L, "1:b:2:c", "the port to listen on: 'b' is not a port" },
	{ L, "[::1:5432:db:5432", "a '[' without a matching ']'" },
	{ L, "[::1]5432:db:5432", "a '[' without a matching ']'" },
	{ L, "[/run/x.sock]:db:1", "a '[' without a matching ']'" },
	{ L, "0:db:5432", "a local forward cannot listen on port 0" },
	{ L, "00:db:5432", "cannot listen on port 0" },
	{ D, "0", "a dynamic forward cannot listen on port 0" },
	{ L, "65536:db:5432", "the port to listen on: '65536' is not a port" },
	{ L, "54x:db:5432", "the port to listen on: '54x' is not a port" },
	{ L, "1:db:0", "the target: '0' is not a port" },
	{ L, "1:db:", "does not say which port to go to; write 1:db:port" },
	{ L, "1::2", "the target has no host; write localhost for the server itself" },
	{ R, "1::2", "the target has no host; write localhost for this machine" },
	{ L, "1:*:2", "the target: '*' is not a host name" },
	{ L, "1:-db:2", "begins with '-'" },
	{ L, "1:d b:2", "contains a space" },
	{ L, "h b:1:db:2", "where to listen: " },
	{ L, "1:db:2\\", "ends with a backslash" },
	{ L, "1:${HOME}:2", "names an environment variable" },
	{ L, "1:db:2\n", "is not a port" },
	{ L, "-L 1:db:2", "begins with an option; leave it out" },
	/* ranges */
	{ L, "8000-8010:h:80", "11 ports cannot lead to 1; write ranges of one length" },
	{ L, "80:h:8000-8010", "1 ports cannot lead to 11" },
	{ L, "8000-8010:h:8000-8009", "11 ports cannot lead to 10" },
	{ L, "8010-8000:h:8010-8000", "'8010-8000' is not a range of ports; write the smaller" },
	{ L, "1-1025:h:1-1025", "'1-1025' has too many ports; a range can have 1024" },
	{ L, "0-10:h:0-10", "'0' is not a port" },
	{ R, "0-10:h:0-10", "'0' is not a port" },
	{ L, "1-65536:h:1", "'65536' is not a port" },
	{ L, "1-2-3:h:1", "'1-2-3' is not a port" },
	{ L, "80-81:/run/x.sock", "a range of ports cannot lead to one socket" },
	{ L, "/run/x.sock:h:80-81", "a socket cannot lead to a range of ports" },
	{ D, "1080-1081", "a dynamic forward needs no range" },
	{ R, "1080-1081", "no range is needed" },
	/* Unix sockets */
	{ R, "/run/x.sock:db:1", "cannot be listened on: libssh has no call for it" },
	{ R, "/run/x.sock:/run/y.sock", "libssh has no call for it; listen on a port there" },
	{ R, "/run/x.sock", "libssh has no call" },
	{ L, "/run/x.sock", "does not say where to go; write /run/x.sock:host:port" },
	{ L, "1:run/x.sock", "its path begins with '/'" },
	{ L, "/run/x.sock:db", "is not a forward" },
	{ L, "h:1:/run/x.sock:2", "is not a forward" },
	{ L, "/run/x.sock:1:db:2", "is not a forward" },
	{ D, "/run/x.sock:db:1", "has a target; a dynamic forward is [bind:]port" },
	{ D, "1080:db:1", "for one target write 'local'" },
	{ L, "1:/run/\x01", "control characters" },
	/* tun devices */
	{ L, "-w 0:0", "is a tun device (ssh -w)" },
	{ L, "any", "is a tun device" },
	{ D, "any:any", "is a tun device" },
	{ L, "0:any", "is a tun device" },
	{ R, "tun0:tun1", "is a tun device" },
};

static void test_bad(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct forward_spec f;
		struct err err = { 0 };

		if (forward_spec_parse(bad[i].text, bad[i].type, &f, &err) == 0)
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
	assert_int_equal(forward_spec_parse(text, L, &f, NULL), -1);
	text[400] = '\0';
	strcpy(text + 396, ":22");
	assert_int_equal(forward_spec_parse(text, L, &f, NULL), -1);
	strcpy(text + 2 + ENDPOINT_HOST_MAX, ":22");
	assert_int_equal(forward_spec_parse(text, L, &f, NULL), 0);
}

static void test_long_path_is_refused(void **state)
{
	char text[300];
	struct forward_spec f;

	memset(text, 'a', sizeof(text));
	memcpy(text, "1:/", 3);
	text[2 + FORWARD_PATH_MAX] = '\0';
	assert_int_equal(forward_spec_parse(text, L, &f, NULL), 0);
	text[2 + FORWARD_PATH_MAX] = 'a';
	text[3 + FORWARD_PATH_MAX] = '\0';
	assert_int_equal(forward_spec_parse(text, L, &f, NULL), -1);
}

static const struct {
	enum forward_type type;
	const char *text, *end; /* NULL: refused, and says what */
	const char *says;
} listens[] = {
	{ L, "5432", "localhost:5432", NULL },
	{ L, "*:5432", "*:5432", NULL },
	{ L, ":5432", "*:5432", NULL },
	{ L, "[::1]:5432", "[::1]:5432", NULL },
	{ L, "127.0.0.1:5432", "127.0.0.1:5432", NULL },
	{ L, "8000-8010", "localhost:8000-8010", NULL },
	{ L, "/run/x.sock", "/run/x.sock", NULL },
	{ D, "./x\\:y", "./x:y", NULL },
	{ R, "0", "localhost:0", NULL },
	{ R, "[::]:0", "[::]:0", NULL },
	{ L, "0", NULL, "cannot listen on port 0" },
	{ L, "::1:5432", NULL, "put IPv6 addresses in brackets" },
	{ L, "localhost", NULL, "has no port; write [bind:]port, or the path of a socket" },
	{ R, "/run/x.sock", NULL, "libssh has no call for it" },
	{ L, "/run/x:1", NULL, "write '\\:' for a ':' in a path" },
	{ L, "h:/run/x", NULL, "is neither [bind:]port nor a path" },
	{ D, "1080-1090", NULL, "needs no range" },
	{ L, "70000", NULL, "is not a port" },
	{ L, "", NULL, "is empty" },
	{ L, ":", NULL, "has no port" },
};

static void test_listen(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(listens); i++) {
		struct err err = { 0 };
		struct forward_end end;
		int result = forward_listen_parse(listens[i].text, listens[i].type, &end, &err);

		if (!listens[i].says) {
			assert_int_equal(result, 0);
			expect_end(&end, listens[i].end);
			continue;
		}
		assert_int_equal(result, -1);
		if (!strstr(err.msg, listens[i].says))
			fail_msg("'%s': %s", listens[i].text, err.msg);
	}
}

static const struct {
	enum forward_type type;
	const char *text, *end, *says;
} targets[] = {
	{ L, "db:5432", "db:5432", NULL },
	{ L, "[::1]:5432", "[::1]:5432", NULL },
	{ L, "db:http", "db:80", NULL },
	{ L, "db:8000-8010", "db:8000-8010", NULL },
	{ L, "/run/x.sock", "/run/x.sock", NULL },
	{ R, "x/y.sock", "x/y.sock", NULL },
	{ L, "x/y.sock", NULL, "the target is a socket on the server; its path begins with '/'" },
	{ L, "db", NULL, "has no port; write host:port" },
	{ L, "5432", NULL, "has no port; write host:port" },
	{ L, ":5432", NULL, "the target has no host" },
	{ L, "a:b:c", NULL, "put IPv6 addresses in brackets" },
	{ L, "a:/run/x", NULL, "is neither host:port nor a path" },
};

static void test_target(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
		struct err err = { 0 };
		struct forward_end end;
		int result = forward_target_parse(targets[i].text, targets[i].type, &end, &err);

		if (!targets[i].says) {
			assert_int_equal(result, 0);
			expect_end(&end, targets[i].end);
			continue;
		}
		assert_int_equal(result, -1);
		if (!strstr(err.msg, targets[i].says))
			fail_msg("'%s': %s", targets[i].text, err.msg);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_long_text_is_refused),
		cmocka_unit_test(test_long_path_is_refused),
		cmocka_unit_test(test_listen),
		cmocka_unit_test(test_target),
	};

	return cmocka_run_group_tests_name("forward_spec", tests, NULL, NULL);
}
