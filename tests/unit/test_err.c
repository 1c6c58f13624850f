/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/err.h"

static void test_set_and_prefix(void **state)
{
	struct err err;

	assert_int_equal(err_set(&err, ERR_CONFIG, "'%s' is not a duration", "x"), -1);
	assert_int_equal(err_prefix(&err, "forward '%s'", "web"), -1);
	assert_string_equal(err.msg, "forward 'web': 'x' is not a duration");
	assert_int_equal(err.code, ERR_CONFIG);
}

static void test_errno_text_is_appended(void **state)
{
	struct err err;

	err_set_errno(&err, ERR_IO, ENOENT, "cannot open %s", "/nope");
	assert_string_equal(err.msg, "cannot open /nope: No such file or directory");
	assert_int_equal(err.sys, ENOENT);
}

static void test_long_messages_are_cut_not_overrun(void **state)
{
	struct err err;
	char text[1024];

	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	err_set(&err, ERR_IO, "%s", text);
	err_prefix(&err, "%s", text);
	assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
}

static void test_nobody_wants_to_know(void **state)
{
	assert_int_equal(err_set(NULL, ERR_IO, "x"), -1);
	assert_int_equal(err_prefix(NULL, "x"), -1);
	err_clear(NULL);
}

static void test_slugs_are_unique_and_go_both_ways(void **state)
{
	for (int code = 0; code < ERR_CODE_COUNT; code++)
		assert_int_equal(err_from_slug(err_slug(code)), code);
	assert_int_equal(err_from_slug("no such slug"), ERR_INTERNAL);
}

static void test_who_has_to_act(void **state)
{
	assert_true(err_needs_person(ERR_HOST_KEY_CHANGED));
	assert_true(err_needs_person(ERR_AUTH));
	assert_false(err_needs_person(ERR_REFUSED));
	assert_false(err_needs_person(ERR_NONE));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set_and_prefix),
		cmocka_unit_test(test_errno_text_is_appended),
		cmocka_unit_test(test_long_messages_are_cut_not_overrun),
		cmocka_unit_test(test_nobody_wants_to_know),
		cmocka_unit_test(test_slugs_are_unique_and_go_both_ways),
		cmocka_unit_test(test_who_has_to_act),
	};

	return cmocka_run_group_tests_name("err", tests, NULL, NULL);
}
