/* SPDX-License-Identifier: MIT */
/*
 * Whole conversations with the SOCKS server: what the client sends, what it hears, where it ends
 * up; each fed at once and byte by byte.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/socks.h"
#include "lib/util.h"

/* clang-format off */
#define BYTES(text) text, sizeof(text) - 1
#define NAME_255 \
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa." \
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa." \
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa." \
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define HELLO "\5\1\0"
#define HELLO_OK "\5\0"
#define TO "\5\1\0"
#define FAILED(reply) "\5" reply "\0\1\0\0\0\0\0\0"
#define REFUSED_4 "\0\x5b\0\0\0\0\0\0"
/* the third column, and who is asked for */
#define PENDING SOCKS_MORE, NULL, 0
#define NO(says) SOCKS_REFUSED, says, 0
#define TO_HOST(host, port) SOCKS_REQUEST, host, port
#define NOBODY NULL, NULL
#define ME "me", "secret"
#define LOGIN_OK "\5\2\1\0"

static const struct {
	const char *sent;
	size_t sent_size;
	const char *heard;
	size_t heard_size;
	enum socks_result result;
	const char *host; /* or what the error says */
	uint16_t port;
	const char *user, *password;
} cases[] = {
	/* SOCKS 5 */
	{ BYTES(""), BYTES(""), PENDING, NOBODY },
	{ BYTES("\5"), BYTES(""), PENDING, NOBODY },
	{ BYTES(HELLO), BYTES(HELLO_OK), PENDING, NOBODY },
	{ BYTES(HELLO TO "\1\x0a\0\0\1\0\x50"), BYTES(HELLO_OK), TO_HOST("10.0.0.1", 80), NOBODY },
	{ BYTES(HELLO TO "\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\x01\xbb"), BYTES(HELLO_OK),
	  TO_HOST("::1", 443), NOBODY },
	{ BYTES(HELLO TO "\3\x0b" "example.com" "\xff\xff"), BYTES(HELLO_OK),
	  TO_HOST("example.com", 65535), NOBODY },
	{ BYTES(HELLO TO "\3\xff" NAME_255 "\0\1"), BYTES(HELLO_OK), TO_HOST(NAME_255, 1), NOBODY },
	{ BYTES(HELLO TO "\3\3::1\0\1"), BYTES(HELLO_OK), TO_HOST("::1", 1), NOBODY },
	{ BYTES("\5\2\0\2" TO "\1\1\2\3\4\0\1"), BYTES(HELLO_OK), TO_HOST("1.2.3.4", 1), NOBODY },
	{ BYTES(HELLO "\5\2\0"), BYTES(HELLO_OK FAILED("\7")), NO("command 2"), NOBODY },
	{ BYTES(HELLO "\5\3\0\1\0\0\0\0\0\0"), BYTES(HELLO_OK FAILED("\7")),
	  NO("command 3"), NOBODY },
	{ BYTES(HELLO TO "\2"), BYTES(HELLO_OK FAILED("\x08")), NO("type 2"), NOBODY },
	{ BYTES(HELLO TO "\1\1\2\3\4\0\0"), BYTES(HELLO_OK FAILED("\1")), NO("port 0"), NOBODY },
	{ BYTES(HELLO TO "\3\0\0\1"), BYTES(HELLO_OK FAILED("\1")), NO("is empty"), NOBODY },
	{ BYTES(HELLO TO "\3\3a\nb\0\1"), BYTES(HELLO_OK FAILED("\1")),
	  NO("'a\\nb' is not a host name"), NOBODY },
	{ BYTES(HELLO TO "\3\3a\0b\0\1"), BYTES(HELLO_OK FAILED("\1")), NO("NUL"), NOBODY },
	{ BYTES(HELLO "\4\1\0"), BYTES(HELLO_OK FAILED("\1")), NO("from SOCKS 5 to 4"), NOBODY },
	{ BYTES("\5\0"), BYTES("\5\xff"), NO("no SOCKS 5 login"), NOBODY },
	{ BYTES("\5\1\1"), BYTES("\5\xff"), NO("no SOCKS 5 login"), NOBODY },
	/* login that nobody asked for, login that is asked for */
	{ BYTES("\5\1\2\1\1x\1y"), BYTES(LOGIN_OK), PENDING, NOBODY },
	{ BYTES("\5\1\2\1\0\0"), BYTES(LOGIN_OK), PENDING, NOBODY },
	{ BYTES(HELLO), BYTES("\5\xff"), NO("no user and password"), ME },
	{ BYTES("\5\2\0\2\1\2me\6secret" TO "\1\1\2\3\4\0\1"), BYTES(LOGIN_OK),
	  TO_HOST("1.2.3.4", 1), ME },
	{ BYTES("\5\1\2\1\2me\6secreT"), BYTES("\5\2\1\1"), NO("is wrong"), ME },
	{ BYTES("\5\1\2\1\2me\5secre"), BYTES("\5\2\1\1"), NO("is wrong"), ME },
	{ BYTES("\5\1\2\1\2me\7secrets"), BYTES("\5\2\1\1"), NO("is wrong"), ME },
	{ BYTES("\5\1\2\1\2mE\6secret"), BYTES("\5\2\1\1"), NO("is wrong"), ME },
	{ BYTES("\5\1\2\1\0\0"), BYTES("\5\2\1\1"), NO("is wrong"), ME },
	{ BYTES("\5\1\2\5\1\0"), BYTES("\5\2\1\1"), NO("version 5"), ME },
	/* SOCKS 4 and 4a */
	{ BYTES("\4\1\0\x50\1\2\3\4"), BYTES(""), PENDING, NOBODY },
	{ BYTES("\4\1\0\x50\1\2\3\4\0"), BYTES(""), TO_HOST("1.2.3.4", 80), NOBODY },
	{ BYTES("\4\1\0\x50\1\2\3\4me\0"), BYTES(""), TO_HOST("1.2.3.4", 80), NOBODY },
	{ BYTES("\4\1\0\x50\0\0\0\0\0"), BYTES(""), TO_HOST("0.0.0.0", 80), NOBODY },
	{ BYTES("\4\1\0\x50\0\0\0\1me\0"), BYTES(""), PENDING, NOBODY },
	{ BYTES("\4\1\0\x50\0\0\0\1me\0db.internal\0"), BYTES(""),
	  TO_HOST("db.internal", 80), NOBODY },
	{ BYTES("\4\1\0\x50\0\0\0\1" NAME_255 "\0" NAME_255 "\0"), BYTES(""),
	  TO_HOST(NAME_255, 80), NOBODY },
	{ BYTES("\4\1\0\x50\0\0\0\1" NAME_255 "x"), BYTES(REFUSED_4), NO("longer than"), NOBODY },
	{ BYTES("\4\1\0\x50\0\0\0\1\0" NAME_255 "x"), BYTES(REFUSED_4), NO("longer than"), NOBODY },
	{ BYTES("\4\1\0\x50\0\0\0\1\0\0"), BYTES(REFUSED_4), NO("is empty"), NOBODY },
	{ BYTES("\4\1\0\x50\0\0\0\1\0a b\0"), BYTES(REFUSED_4), NO("contains a space"), NOBODY },
	{ BYTES("\4\2"), BYTES(REFUSED_4), NO("command 2"), NOBODY },
	{ BYTES("\4\1\0\0"), BYTES(REFUSED_4), NO("port 0"), NOBODY },
	{ BYTES("\4"), BYTES(REFUSED_4), NO("no password; use SOCKS 5"), ME },
	/* neither */
	{ BYTES("\6"), BYTES(""), NO("does not speak SOCKS"), NOBODY },
};
/* clang-format on */

struct conversation {
	struct socks socks;
	char heard[64];
	size_t heard_size;
	size_t used;
	struct err err;
};

/* Everything that can be said to the size bytes that have come. */
static enum socks_result converse(struct conversation *c, const char *sent, size_t size)
{
	for (;;) {
		size_t used;
		enum socks_result result =
			socks_step(&c->socks, sent + c->used, size - c->used, &used, &c->err);

		assert_true(result != SOCKS_MORE || used == 0);
		c->used += used;
		assert_true(c->used <= size);
		if (result == SOCKS_ANSWER || result == SOCKS_REFUSED) {
			assert_true(c->heard_size + c->socks.answer_size <= sizeof(c->heard));
			memcpy(c->heard + c->heard_size, c->socks.answer, c->socks.answer_size);
			c->heard_size += c->socks.answer_size;
		}
		if (result != SOCKS_ANSWER)
			return result;
	}
}

static void try_case(size_t i, size_t step)
{
	struct login login = { cases[i].user, cases[i].password };
	enum socks_result result = SOCKS_MORE;
	struct conversation c = { 0 };
	size_t given = 0;

	socks_init(&c.socks, &login);
	while (result == SOCKS_MORE && given < cases[i].sent_size) {
		given = MIN(given + step, cases[i].sent_size);
		result = converse(&c, cases[i].sent, given);
	}
	if (result != cases[i].result)
		fail_msg("case %zu in steps of %zu: result %d", i, step, result);
	assert_int_equal(c.heard_size, cases[i].heard_size);
	assert_memory_equal(c.heard, cases[i].heard, c.heard_size);
	if (result == SOCKS_REQUEST) {
		assert_string_equal(c.socks.host, cases[i].host);
		assert_int_equal(c.socks.port, cases[i].port);
	}
	if (result == SOCKS_REFUSED && !strstr(c.err.msg, cases[i].host))
		fail_msg("case %zu: '%s' does not say '%s'", i, c.err.msg, cases[i].host);
}

static void test_conversations(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		for (size_t step = 1; step <= 3; step++)
			try_case(i, step);
		try_case(i, cases[i].sent_size + 1);
	}
}

/* What comes after the request is not SOCKS any more. */
static void test_early_data_is_left(void **state)
{
	static const char sent[] = HELLO TO "\1\1\2\3\4\0\1early";
	struct conversation c = { 0 };

	socks_init(&c.socks, &(struct login){ 0 });
	assert_int_equal(converse(&c, sent, sizeof(sent) - 1), SOCKS_REQUEST);
	assert_string_equal(sent + c.used, "early");
}

static const struct {
	enum err_code code;
	int sys;
	unsigned char reply;
} replies[] = {
	{ ERR_REFUSED, ECONNREFUSED, 5 },
	{ ERR_UNREACHABLE, EHOSTUNREACH, 4 },
	{ ERR_UNREACHABLE, ENETUNREACH, 3 },
	{ ERR_RESOLVE, 0, 4 },
	{ ERR_TARGET, 0, 4 },
	{ ERR_TIMEOUT, 0, 6 },
	{ ERR_PROHIBITED, 0, 2 },
	{ ERR_NOT_ALLOWED, 0, 2 },
	{ ERR_LIMIT, 0, 1 },
	{ ERR_LOST, 0, 1 },
};

static void test_replies(void **state)
{
	static const char granted_4[] = "\0\x5a\0\0\0\0\0\0", refused_4[] = REFUSED_4;
	struct socks s;

	for (size_t i = 0; i < ARRAY_SIZE(replies); i++) {
		struct err why = { .code = replies[i].code, .sys = replies[i].sys };

		s = (struct socks){ .stage = SOCKS_5_REQUEST };
		socks_refuse(&s, &why);
		assert_int_equal(s.answer_size, 10);
		assert_int_equal(s.answer[1], replies[i].reply);
		s.stage = SOCKS_4;
		socks_refuse(&s, &why);
		assert_int_equal(s.answer_size, 8);
		assert_memory_equal(s.answer, refused_4, 8);
	}
	socks_grant(&s);
	assert_int_equal(s.answer_size, 8);
	assert_memory_equal(s.answer, granted_4, 8);
	s.stage = SOCKS_5_REQUEST;
	socks_grant(&s);
	assert_int_equal(s.answer_size, 10);
	assert_memory_equal(s.answer, "\5\0\0\1\0\0\0\0\0\0", 10);
}

/* A deadline can pass in any stage. */
static void test_refusals_fit_their_stage(void **state)
{
	struct err why = { .code = ERR_TIMEOUT };
	struct socks s = { .stage = SOCKS_5_METHODS };

	socks_refuse(&s, &why);
	assert_int_equal(s.answer_size, 2);
	assert_memory_equal(s.answer, "\5\xff", 2);
	s.stage = SOCKS_5_LOGIN;
	socks_refuse(&s, &why);
	assert_int_equal(s.answer_size, 2);
	assert_memory_equal(s.answer, "\1\1", 2);
	s.stage = SOCKS_VERSION;
	socks_refuse(&s, &why);
	assert_int_equal(s.answer_size, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_conversations),
		cmocka_unit_test(test_early_data_is_left),
		cmocka_unit_test(test_replies),
		cmocka_unit_test(test_refusals_fit_their_stage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
