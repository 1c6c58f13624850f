/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/tokens.h"
#include "lib/util.h"

static const struct token tokens[] = { { 'h', "10.0.0.1" }, { 'p', "22" }, { 'r', "%h" } };

static const struct {
	const char *text, *becomes;
} cases[] = {
	{ "", "" },           { "nc", "nc" },
	{ "%h", "10.0.0.1" }, { "nc -x proxy %h:%p", "nc -x proxy 10.0.0.1:22" },
	{ "%%h%%", "%h%" },   { "%h%h%p", "10.0.0.110.0.0.122" },
	{ "%r", "%h" }, /* a value is not looked at again */
};

static void test_expand(void **state)
{
	struct err err;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CLEANUP(freep)
		char *text = tokens_expand(cases[i].text, tokens, ARRAY_SIZE(tokens));

		assert_int_equal(tokens_check(cases[i].text, "hpr", &err), 0);
		assert_string_equal(text, cases[i].becomes);
	}
}

static void test_check(void **state)
{
	struct err err;

	assert_int_equal(tokens_check("%h%", "hp", &err), -1);
	assert_string_equal(err.msg, "ends in a single '%'; write '%%'");
	assert_int_equal(tokens_check("%x", "hp", &err), -1);
	assert_string_equal(err.msg, "'%x' stands for nothing here; there are %h, %p and %%");
	assert_int_equal(err.code, ERR_CONFIG);
	assert_int_equal(tokens_check("%%%\n", "hp", &err), -1);
	assert_non_null(strstr(err.msg, "'%\\n'"));
	assert_int_equal(tokens_check("%h", "", &err), -1);
	assert_string_equal(err.msg, "'%h' stands for nothing here; there are %%");
}

/* Unchecked text stays whole. */
static void test_expand_unchecked(void **state)
{
	CLEANUP(freep) char *unknown = tokens_expand("a%x%", tokens, ARRAY_SIZE(tokens));

	assert_string_equal(unknown, "a%x%");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_expand),
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_expand_unchecked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
