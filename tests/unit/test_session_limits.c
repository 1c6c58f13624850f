/* SPDX-License-Identifier: MIT */
/*
 * What a server may take of us: the limits hold exactly where the header says, and what is read after
 * waiting starts anew.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/worker/session_limits.h"
#include "lib/util.h"

static void test_bytes_before_it_lets_us_in(void **state)
{
	struct err err = { 0 };

	assert_int_equal(session_limits_early(0, &err), 0);
	assert_int_equal(session_limits_early(SESSION_EARLY_MAX, &err), 0);
	assert_int_equal(err.code, ERR_NONE);
	assert_int_equal(session_limits_early(SESSION_EARLY_MAX + 1, &err), -1);
	assert_int_equal(err.code, ERR_PROTOCOL);
	assert_non_null(strstr(err.msg, "1 MiB"));
}

static void test_answers_that_nobody_reads(void **state)
{
	struct session_limits limits = { 0 };
	struct err err = { 0 };

	for (int i = 0; i < SESSION_ANSWERS_MAX / 64; i++)
		assert_int_equal(session_limits_answers(&limits, 64, true, &err), 0);
	assert_int_equal(session_limits_answers(&limits, 1, true, &err), -1);
	assert_int_equal(err.code, ERR_PROTOCOL);
	assert_non_null(strstr(err.msg, "does not read"));
}

static void test_answers_that_are_read_now_and_then(void **state)
{
	struct session_limits limits = { 0 };
	struct err err = { 0 };

	for (int i = 0; i < 10; i++) {
		assert_int_equal(session_limits_answers(&limits, SESSION_ANSWERS_MAX, true, &err),
				 0);
		assert_int_equal(session_limits_answers(&limits, SESSION_ANSWERS_MAX, false, &err),
				 0);
	}
	assert_int_equal(err.code, ERR_NONE);
}

static void test_time(void **state)
{
	uint64_t now_us;
	bool is_over;

	do { /* who is not given the CPU meanwhile tries again */
		now_us = monotonic_us();
		is_over = session_limits_is_over(now_us, now_us / 1000);
	} while (monotonic_us() - now_us > 100);
	assert_false(is_over);
	assert_true(session_limits_is_over(now_us - 100000, now_us / 1000));
	assert_true(session_limits_is_over(now_us, now_us / 1000 - 100));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes_before_it_lets_us_in),
		cmocka_unit_test(test_answers_that_nobody_reads),
		cmocka_unit_test(test_answers_that_are_read_now_and_then),
		cmocka_unit_test(test_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
