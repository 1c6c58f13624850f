/* SPDX-License-Identifier: MIT */
/*
 * Where a body ends: each case at once and byte by byte, followed by what is not the body any more.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/http_body.h"
#include "lib/util.h"

#define NEXT "GET /"

enum { MALFORMED = -1, UNFINISHED = -2 }; /* else: how many bytes the body has */

/* clang-format off */
static const struct {
	enum http_body_kind kind;
	uint64_t length;
	const char *bytes;
	long size;
} cases[] = {
	{ HTTP_BODY_NONE, 0, "", 0 },
	{ HTTP_BODY_NONE, 0, NEXT, 0 },
	{ HTTP_BODY_LENGTH, 0, NEXT, 0 },
	{ HTTP_BODY_LENGTH, 3, "abc" NEXT, 3 },
	{ HTTP_BODY_LENGTH, 9, "abc" NEXT, UNFINISHED },
	{ HTTP_BODY_UNTIL_END, 0, "abc", UNFINISHED },
	{ HTTP_BODY_CHUNKED, 0, "0\r\n\r\n" NEXT, 5 },
	{ HTTP_BODY_CHUNKED, 0, "000\r\n\r\n" NEXT, 7 },
	{ HTTP_BODY_CHUNKED, 0, "3\r\nabc\r\n0\r\n\r\n" NEXT, 13 },
	{ HTTP_BODY_CHUNKED, 0, "3\r\n0\r\n\r\n0\r\n\r\n", 13 },
	{ HTTP_BODY_CHUNKED, 0, "a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n" NEXT, 35 },
	{ HTTP_BODY_CHUNKED, 0, "3;name=\"va l\"\r\nabc\r\n0;x\r\n\r\n" NEXT, 27 },
	{ HTTP_BODY_CHUNKED, 0, "3 \t \r\nabc\r\n0\r\n\r\n" NEXT, 16 },
	{ HTTP_BODY_CHUNKED, 0, "0\r\nDigest: x\r\nB:\r\n\r\n" NEXT, 20 },
	{ HTTP_BODY_CHUNKED, 0, "", UNFINISHED },
	{ HTTP_BODY_CHUNKED, 0, "0\r\n", UNFINISHED },
	{ HTTP_BODY_CHUNKED, 0, "0\r\n\r", UNFINISHED },
	{ HTTP_BODY_CHUNKED, 0, "fffffffffffffff\r\nabc", UNFINISHED },
	{ HTTP_BODY_CHUNKED, 0, "ffffffffffffffff\r\nabc", MALFORMED },
	{ HTTP_BODY_CHUNKED, 0, "0000000000000000\r\n\r\n", MALFORMED },
	{ HTTP_BODY_CHUNKED, 0, "\r\n", MALFORMED },
	{ HTTP_BODY_CHUNKED, 0, " 3\r\nabc", MALFORMED },
	{ HTTP_BODY_CHUNKED, 0, ";x\r\n", MALFORMED },
	{ HTTP_BODY_CHUNKED, 0, "+3\r\nabc", MALFORMED },
	{ HTTP_BODY_CHUNKED, 0, "0x3\r\nabc", MALFORMED },
	{ HTTP_BODY_CHUNKED, 0, "3\nabc", MALFORMED },
	{ HTTP_BODY_CHUNKED, 0, "3\r\rabc", MALFORMED },
	{ HTTP_BODY_CHUNKED, 0, "3;a\nb\r\nabc", MALFORMED },
	{ HTTP_BODY_CHUNKED, 0, "3;a\rb\r\nabc", MALFORMED },
	{ HTTP_BODY_CHUNKED, 0, "3\r\nabcd\r\n", MALFORMED },
	{ HTTP_BODY_CHUNKED, 0, "3\r\nabc\n0\r\n\r\n", MALFORMED },
	{ HTTP_BODY_CHUNKED, 0, "3\r\nabc\r0\r\n\r\n", MALFORMED },
	{ HTTP_BODY_CHUNKED, 0, "3\r\nabc0\r\n\r\n", MALFORMED },
	{ HTTP_BODY_CHUNKED, 0, "0\r\n\n", MALFORMED },
	{ HTTP_BODY_CHUNKED, 0, "0\r\nA: b\n\r\n", MALFORMED },
	{ HTTP_BODY_CHUNKED, 0, "0\r\n folded\r\n\r\n", MALFORMED },
	{ HTTP_BODY_CHUNKED, 0, "0\r\n\rX", MALFORMED },
};
/* clang-format on */

static long take(struct http_body *b, const char *bytes, size_t size, size_t step)
{
	size_t taken = 0;

	for (size_t given = 0; given < size && !b->is_over; given = MIN(given + step, size)) {
		size_t piece = MIN(step, size - given);
		struct err err = { 0 };
		ssize_t n = http_body_take(b, bytes + given, piece, &err);

		if (n < 0) {
			assert_int_equal(err.code, ERR_PROTOCOL);
			return MALFORMED;
		}
		assert_true(b->is_over || (size_t)n == piece);
		taken += (size_t)n;
	}
	return b->is_over ? (long)taken : UNFINISHED;
}

static void test_ends(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		size_t size = strlen(cases[i].bytes);

		for (size_t step = 1; step <= size + 1; step++) {
			struct http_body b;
			long got;

			http_body_init(&b, cases[i].kind, cases[i].length);
			got = take(&b, cases[i].bytes, size, step);
			if (got != cases[i].size)
				fail_msg("case %zu in steps of %zu: %ld", i, step, got);
		}
	}
}

static void test_the_end_of_the_connection(void **state)
{
	struct http_body b;

	http_body_init(&b, HTTP_BODY_UNTIL_END, 0);
	assert_int_equal(http_body_end(&b), 0);
	assert_true(b.is_over);
	http_body_init(&b, HTTP_BODY_LENGTH, 1);
	assert_int_equal(http_body_end(&b), -1);
	http_body_init(&b, HTTP_BODY_CHUNKED, 0);
	assert_int_equal(http_body_end(&b), -1);
	http_body_init(&b, HTTP_BODY_NONE, 0);
	assert_int_equal(http_body_end(&b), 0);
}

static void take_all(struct http_body *b, const char *bytes)
{
	assert_int_equal(http_body_take(b, bytes, strlen(bytes), NULL), strlen(bytes));
}

static void test_lines_are_bounded(void **state)
{
	struct http_body b;
	unsigned count = 0;

	http_body_init(&b, HTTP_BODY_CHUNKED, 0);
	take_all(&b, "3;");
	while (http_body_take(&b, "x", 1, NULL) == 1)
		count++;
	assert_int_equal(count, HTTP_CHUNK_LINE_MAX - 2);
	http_body_init(&b, HTTP_BODY_CHUNKED, 0);
	take_all(&b, "0\r\n");
	for (count = 0; http_body_take(&b, "A:b\r\n", 5, NULL) == 5;)
		count += 5;
	assert_in_range(count, HTTP_TRAILERS_MAX - 5, HTTP_TRAILERS_MAX);
}

/* The limit is for each chunk, not for all of them. */
static void test_many_chunks(void **state)
{
	struct http_body b;

	http_body_init(&b, HTTP_BODY_CHUNKED, 0);
	for (int i = 0; i < 10000; i++)
		take_all(&b, "1;extension\r\nx\r\n");
	take_all(&b, "0\r\n\r\n");
	assert_true(b.is_over);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_the_end_of_the_connection),
		cmocka_unit_test(test_lines_are_bounded),
		cmocka_unit_test(test_many_chunks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
