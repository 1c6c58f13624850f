/* SPDX-License-Identifier: MIT */
/*
 * Whole conversations with a proxy: what it hears, what it says, what becomes of it; each fed at once
 * and byte by byte, and each with the server's banner right behind the consent.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/proxy_client.h"
#include "lib/util.h"

/* clang-format off */
#define BYTES(text) text, sizeof(text) - 1
#define BANNER "SSH-2.0-x\r\n"
#define V5(host) PROXY_SOCKS5, "", "", host
#define V5_ME(host) PROXY_SOCKS5, "me", "secret", host
#define V4(host) PROXY_SOCKS4, "", "", host
#define V4A(host) PROXY_SOCKS4A, "me", "", host
#define HTTP(host) PROXY_HTTP, "", "", host
#define HTTP_ME(host) PROXY_HTTP, "me", "secret", host
#define HELLO "\5\1\0"
#define HELLO_ME "\5\2\0\2"
#define LOGIN "\1\2me\6secret"
#define TO_HOST "\5\1\0\3\4host\0\x16"
#define BOUND "\0\1\0\0\0\0\0\0"
#define CONNECT(where) "CONNECT " where " HTTP/1.1\r\nHost: " where "\r\n\r\n"
#define CONNECT_ME "CONNECT host:22 HTTP/1.1\r\nHost: host:22\r\n" \
	"Proxy-Authorization: Basic bWU6c2VjcmV0\r\n\r\n"
#define OK PROXY_CLIENT_DONE, ERR_NONE, NULL
#define MORE PROXY_CLIENT_MORE, ERR_NONE, NULL
#define NO(code, says) PROXY_CLIENT_FAILED, code, says

static const struct {
	enum proxy_kind kind;
	const char *user, *password, *host;
	const char *said;
	size_t said_size;
	const char *heard;
	size_t heard_size;
	enum proxy_client_result result;
	enum err_code code;
	const char *says;
} cases[] = {
	/* SOCKS 5 */
	{ V5("host"), BYTES(""), BYTES(HELLO), MORE },
	{ V5("host"), BYTES("\5"), BYTES(HELLO), MORE },
	{ V5("host"), BYTES("\5\0"), BYTES(HELLO TO_HOST), MORE },
	{ V5("host"), BYTES("\5\0\5\0" BOUND), BYTES(HELLO TO_HOST), OK },
	{ V5("host"), BYTES("\5\0\5\0\0\4aaaabbbbccccdddd\0\1"), BYTES(HELLO TO_HOST), OK },
	{ V5("host"), BYTES("\5\0\5\0\0\3\2ab\0\1"), BYTES(HELLO TO_HOST), OK },
	{ V5("host"), BYTES("\5\0\5\0\0\3\0\0\1"), BYTES(HELLO TO_HOST), OK },
	{ V5("host"), BYTES("\5\0\5\0\0\3\2ab\0"), BYTES(HELLO TO_HOST), MORE },
	{ V5("10.0.0.1"), BYTES("\5\0\5\0" BOUND), BYTES(HELLO "\5\1\0\1\x0a\0\0\1\0\x16"), OK },
	{ V5("::1"), BYTES("\5\0\5\0" BOUND),
	  BYTES(HELLO "\5\1\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\x16"), OK },
	{ V5("host"), BYTES("\5\0\5\1"), BYTES(HELLO TO_HOST), NO(ERR_NETWORK, "host:22: it failed") },
	{ V5("host"), BYTES("\5\0\5\2"), BYTES(HELLO TO_HOST), NO(ERR_PROXY_DENIED, "rules") },
	{ V5("host"), BYTES("\5\0\5\3"), BYTES(HELLO TO_HOST), NO(ERR_UNREACHABLE, "network") },
	{ V5("host"), BYTES("\5\0\5\4"), BYTES(HELLO TO_HOST), NO(ERR_UNREACHABLE, "that host") },
	{ V5("host"), BYTES("\5\0\5\5"), BYTES(HELLO TO_HOST), NO(ERR_REFUSED, "refused there") },
	{ V5("host"), BYTES("\5\0\5\6"), BYTES(HELLO TO_HOST), NO(ERR_TIMEOUT, "not answer") },
	{ V5("host"), BYTES("\5\0\5\7"), BYTES(HELLO TO_HOST), NO(ERR_UNSUPPORTED, "") },
	{ V5("host"), BYTES("\5\0\5\x08"), BYTES(HELLO TO_HOST), NO(ERR_UNSUPPORTED, "address") },
	{ V5("host"), BYTES("\5\0\5\x09"), BYTES(HELLO TO_HOST), NO(ERR_PROTOCOL, "'\\x05\\t'") },
	{ V5("host"), BYTES("\5\0\5\0\0\2"), BYTES(HELLO TO_HOST), NO(ERR_PROTOCOL, "SOCKS5") },
	{ V5("host"), BYTES("\5\0\4"), BYTES(HELLO TO_HOST), NO(ERR_PROTOCOL, "SOCKS5") },
	{ V5("host"), BYTES("\5\xff"), BYTES(HELLO), NO(ERR_PROXY_AUTH, "write socks5://user:") },
	{ V5("host"), BYTES("\5\2"), BYTES(HELLO), NO(ERR_PROTOCOL, "does not speak") },
	{ V5("host"), BYTES("HTTP/1.0 400 Bad Request\r\n"), BYTES(HELLO),
	  NO(ERR_PROTOCOL, "does not speak SOCKS5; it said 'H") },
	/* with a login, asked for or not */
	{ V5_ME("host"), BYTES("\5\0\5\0" BOUND), BYTES(HELLO_ME TO_HOST), OK },
	{ V5_ME("host"), BYTES("\5\2\1\0\5\0" BOUND), BYTES(HELLO_ME LOGIN TO_HOST), OK },
	{ V5_ME("host"), BYTES("\5\2\5\0\5\0" BOUND), BYTES(HELLO_ME LOGIN TO_HOST), OK },
	{ V5_ME("host"), BYTES("\5\2\1\1"), BYTES(HELLO_ME LOGIN),
	  NO(ERR_PROXY_AUTH, "does not accept user 'me' with this password") },
	{ V5_ME("host"), BYTES("\5\xff"), BYTES(HELLO_ME), NO(ERR_PROXY_AUTH, "lets nobody") },
	/* SOCKS 4 and 4a */
	{ V4("10.0.0.1"), BYTES("\0\x5a\0\0\0\0\0\0"), BYTES("\4\1\0\x16\x0a\0\0\1\0"), OK },
	{ V4("10.0.0.1"), BYTES("\4\x5a\0\0\0\0\0\0"), BYTES("\4\1\0\x16\x0a\0\0\1\0"), OK },
	{ V4("10.0.0.1"), BYTES("\0\x5a\0\0\0\0\0"), BYTES("\4\1\0\x16\x0a\0\0\1\0"), MORE },
	{ V4A("host"), BYTES("\0\x5a\0\0\0\0\0\0"), BYTES("\4\1\0\x16\0\0\0\1me\0host\0"), OK },
	{ V4A("1.2.3.4"), BYTES(""), BYTES("\4\1\0\x16\1\2\3\4me\0"), MORE },
	{ V4A("host"), BYTES("\0\x5b"), BYTES("\4\1\0\x16\0\0\0\1me\0host\0"),
	  NO(ERR_NETWORK, "refused, or") },
	{ V4A("host"), BYTES("\0\x5c"), BYTES("\4\1\0\x16\0\0\0\1me\0host\0"),
	  NO(ERR_PROXY_AUTH, "ident") },
	{ V4A("host"), BYTES("\0\0"), BYTES("\4\1\0\x16\0\0\0\1me\0host\0"), NO(ERR_PROTOCOL, "") },
	{ V4A("host"), BYTES("SSH-2.0-OpenSSH_9.2\r\n"), BYTES("\4\1\0\x16\0\0\0\1me\0host\0"),
	  NO(ERR_PROTOCOL, "does not speak SOCKS4a; it said 'S") },
	/* HTTP */
	{ HTTP("host"), BYTES(""), BYTES(CONNECT("host:22")), MORE },
	{ HTTP("host"), BYTES("HTTP/1.1 200 OK\r\n\r\n"), BYTES(CONNECT("host:22")), OK },
	{ HTTP("::1"), BYTES("HTTP/1.0 200\r\n\r\n"), BYTES(CONNECT("[::1]:22")), OK },
	{ HTTP("host"), BYTES("HTTP/1.1 299 OK\nVia: x\n\n"), BYTES(CONNECT("host:22")), OK },
	{ HTTP("host"), BYTES("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
	  BYTES(CONNECT("host:22")), OK },
	{ HTTP("host"), BYTES("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nA: b\r\n\r\n"),
	  BYTES(CONNECT("host:22")), OK },
	{ HTTP("host"), BYTES("HTTP/1.1 200 OK\r\n"), BYTES(CONNECT("host:22")), MORE },
	{ HTTP_ME("host"), BYTES("HTTP/1.1 200 OK\r\n\r\n"), BYTES(CONNECT_ME), OK },
	{ HTTP_ME("host"), BYTES("HTTP/1.1 407 Who\33\r\n\r\n"), BYTES(CONNECT_ME),
	  NO(ERR_PROXY_AUTH, "user 'me' with this password, or no Basic login at all "
			     "('HTTP/1.1 407 Who\\x1b')") },
	{ HTTP("host"), BYTES("HTTP/1.1 407 Who\r\n\r\n"), BYTES(CONNECT("host:22")),
	  NO(ERR_PROXY_AUTH, "write http://user:password@") },
	{ HTTP("host"), BYTES("HTTP/1.1 403 Forbidden\r\n\r\n"), BYTES(CONNECT("host:22")),
	  NO(ERR_PROXY_DENIED, "host:22: its rules do not let us go there ('HTTP/1.1 403 Forbidden')") },
	{ HTTP("host"), BYTES("HTTP/1.1 502 Bad\r\n\r\n"), BYTES(CONNECT("host:22")),
	  NO(ERR_UNREACHABLE, "cannot reach") },
	{ HTTP("host"), BYTES("HTTP/1.1 504 Late\r\n\r\n"), BYTES(CONNECT("host:22")),
	  NO(ERR_TIMEOUT, "does not answer") },
	{ HTTP("host"), BYTES("HTTP/1.1 418 Teapot\r\n\r\n"), BYTES(CONNECT("host:22")),
	  NO(ERR_NETWORK, "it said 'HTTP/1.1 418 Teapot'") },
	{ HTTP("host"), BYTES("HTTP/1.1 101 Other\r\n\r\n"), BYTES(CONNECT("host:22")),
	  NO(ERR_NETWORK, "101") },
	{ HTTP("host"), BYTES("HTTP/1.1 2x0 OK\r\n\r\n"), BYTES(CONNECT("host:22")),
	  NO(ERR_NETWORK, "2x0") },
	{ HTTP("host"), BYTES("HTTP/1.1\r\n\r\n"), BYTES(CONNECT("host:22")), NO(ERR_NETWORK, "") },
	{ HTTP("host"), BYTES("SSH-2.0-OpenSSH_9.2\r\n"), BYTES(CONNECT("host:22")),
	  NO(ERR_PROTOCOL, "does not speak HTTP; it said 'S") },
	{ HTTP("host"), BYTES("\r\nHTTP/1.1 200 OK\r\n\r\n"), BYTES(CONNECT("host:22")),
	  NO(ERR_PROTOCOL, "does not speak HTTP") },
};
/* clang-format on */

struct conversation {
	struct proxy_client client;
	struct strbuf heard; /* by the proxy */
	size_t used;
	enum proxy_client_result result;
	struct err err;
};

static void send_out(struct conversation *c)
{
	strbuf_add_bytes(&c->heard, c->client.out.data, c->client.out.length);
	proxy_client_sent(&c->client);
}

/* What a socket would do: bytes that are not used are offered again, with more behind them. */
static void hear(struct conversation *c, const char *bytes, size_t size)
{
	do {
		size_t used;

		c->result = proxy_client_step(&c->client, bytes + c->used, size - c->used, &used,
					      &c->err);
		c->used += used;
		assert_true(c->used <= size);
		if (c->result == PROXY_CLIENT_SEND)
			send_out(c);
		else if (c->result == PROXY_CLIENT_MORE)
			assert_int_equal(c->used, size);
	} while (c->result == PROXY_CLIENT_SEND);
}

static void converse(size_t i, struct conversation *c, const char *said, size_t size, size_t step)
{
	struct proxy_url url = { .kind = cases[i].kind };

	strcpy(url.user, cases[i].user);
	strcpy(url.password, cases[i].password);
	*c = (struct conversation){ .result = PROXY_CLIENT_MORE };
	assert_int_equal(proxy_client_init(&c->client, &url, cases[i].host, 22, &c->err), 0);
	send_out(c);
	for (size_t given = 0; given < size && c->result == PROXY_CLIENT_MORE;) {
		given = MIN(given + step, size);
		hear(c, said, given);
	}
}

static void finish(struct conversation *c)
{
	proxy_client_fini(&c->client);
	strbuf_fini(&c->heard);
}

static void expect(size_t i, struct conversation *c)
{
	if (c->result != cases[i].result || c->heard.length != cases[i].heard_size ||
	    memcmp(c->heard.data, cases[i].heard, cases[i].heard_size) != 0)
		fail_msg("case %zu: result %d (%s), it heard %zu bytes", i, c->result, c->err.msg,
			 c->heard.length);
	if (c->result == PROXY_CLIENT_DONE)
		assert_int_equal(c->used, cases[i].said_size);
	if (c->result != PROXY_CLIENT_FAILED)
		return;
	assert_int_equal(c->err.code, cases[i].code);
	if (!strstr(c->err.msg, cases[i].says) || strstr(c->err.msg, "secret"))
		fail_msg("case %zu: %s", i, c->err.msg);
}

static void test_conversations(void **state)
{
	struct conversation c;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		for (size_t step = 1; step <= 1000; step = step * 3 + 997) {
			converse(i, &c, cases[i].said, cases[i].said_size, step);
			expect(i, &c);
			finish(&c);
		}
	}
}

/* The server's first words belong to somebody else. */
static void test_what_follows_is_left(void **state)
{
	char said[512];
	struct conversation c;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		if (cases[i].result != PROXY_CLIENT_DONE)
			continue;
		memcpy(said, cases[i].said, cases[i].said_size);
		memcpy(said + cases[i].said_size, BANNER, sizeof(BANNER));
		converse(i, &c, said, cases[i].said_size + sizeof(BANNER), 1000);
		expect(i, &c);
		finish(&c);
	}
}

static void fail_endless(const char *start, const char *line, const char *says)
{
	struct proxy_url url = { .kind = PROXY_HTTP };
	struct conversation c = { 0 };
	size_t used, sent = 0;

	assert_int_equal(proxy_client_init(&c.client, &url, "host", 22, &c.err), 0);
	c.result = proxy_client_step(&c.client, start, strlen(start), &used, &c.err);
	while (c.result == PROXY_CLIENT_MORE && sent < 1 << 20) {
		c.result = proxy_client_step(&c.client, line, strlen(line), &used, &c.err);
		sent += used;
	}
	assert_int_equal(c.result, PROXY_CLIENT_FAILED);
	assert_true(sent <= 16 * 1024);
	assert_int_equal(c.err.code, ERR_PROTOCOL);
	assert_non_null(strstr(c.err.msg, says));
	finish(&c);
}

static void test_endless_answers(void **state)
{
	fail_endless("HTTP/1.1 200 OK\r\n", "A: b\r\n", "has no end");
	fail_endless("HTTP/1.1 200 OK", "xxxxxxxx", "has no end");
	fail_endless("", "HTTP/1.1 100 Continue\r\n\r\n", "has no end");
	fail_endless("", "\n", "does not speak HTTP");
}

static void test_what_socks4_cannot_reach(void **state)
{
	struct proxy_url url = { .kind = PROXY_SOCKS4 };
	struct proxy_client c;
	struct err err;

	assert_int_equal(proxy_client_init(&c, &url, "::1", 22, &err), -1);
	assert_int_equal(err.code, ERR_UNSUPPORTED);
	assert_non_null(strstr(err.msg, "IPv4 addresses only, not ::1"));
	proxy_client_fini(&c);
	assert_int_equal(proxy_client_init(&c, &url, "host", 22, &err), -1);
	proxy_client_fini(&c);
	url.kind = PROXY_SOCKS4A;
	assert_int_equal(proxy_client_init(&c, &url, "::1", 22, &err), -1);
	proxy_client_fini(&c);
}

static void test_ends(void **state)
{
	struct proxy_url url = { .kind = PROXY_SOCKS5, .user = "me", .password = "x" };
	struct proxy_client c;
	struct err err;
	size_t used;

	proxy_client_init(&c, &url, "host", 22, &err);
	proxy_client_ended(&c, &err);
	assert_int_equal(err.code, ERR_LOST);
	assert_non_null(strstr(err.msg, "without an answer"));
	proxy_client_step(&c, "\5", 1, &used, &err);
	proxy_client_ended(&c, &err);
	assert_non_null(strstr(err.msg, "in the middle"));
	proxy_client_step(&c, "\2", 1, &used, &err);
	proxy_client_ended(&c, &err);
	assert_non_null(strstr(err.msg, "are user and password right?"));
	proxy_client_fini(&c);
}

/* "me:" and one to six bytes: all lengths of padding. */
static void test_base64(void **state)
{
	static const char *const logins[] = { "bWU6YQ==", "bWU6YWI=", "bWU6YWJj", "bWU6YWJj/w==" };
	static const char *const passwords[] = { "a", "ab", "abc", "abc\xff" };
	char field[80];

	for (size_t i = 0; i < ARRAY_SIZE(logins); i++) {
		struct proxy_url url = { .kind = PROXY_HTTP, .user = "me" };
		struct proxy_client c;
		struct err err;

		strcpy(url.password, passwords[i]);
		assert_int_equal(proxy_client_init(&c, &url, "host", 22, &err), 0);
		snprintf(field, sizeof(field), "Proxy-Authorization: Basic %s\r\n\r\n", logins[i]);
		assert_non_null(strstr(c.out.data, field));
		proxy_client_fini(&c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_conversations),
		cmocka_unit_test(test_what_follows_is_left),
		cmocka_unit_test(test_endless_answers),
		cmocka_unit_test(test_what_socks4_cannot_reach),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_base64),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
