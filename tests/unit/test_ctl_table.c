/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <locale.h>

#include "ctl/table.h"
#include "ctl/text.h"
#include "lib/util.h"

/* -- text ---------------------------------------------------------------------------------- */

static void test_width(void **state)
{
	assert_int_equal(text_width(""), 0);
	assert_int_equal(text_width("abc"), 3);
	assert_int_equal(text_width("é→…"), 3);
	assert_int_equal(text_width("日本"), 4);
	assert_int_equal(text_width("e\xcc\x81"), 1); /* a combining accent */
	assert_int_equal(text_width("\xff\xc3"), 2); /* not UTF-8: a cell a byte */
}

static void test_cut(void **state)
{
	static const struct {
		const char *text;
		size_t width;
		const char *mark, *expected;
	} cases[] = {
		{ "abc", 3, "…", "abc" },    { "abcd", 3, "…", "ab…" },
		{ "abcd", 3, "...", "..." }, { "abcd", 2, "...", "" },
		{ "日本語", 4, "…", "日…" }, { "日本語", 6, "…", "日本語" },
		{ "éééé", 2, "…", "é…" },    { "abc", 0, "…", "" },
		{ "", 0, "…", "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct strbuf out = { 0 };
		size_t used = text_add_cut(&out, cases[i].text, cases[i].width, cases[i].mark);
		char *text = strbuf_take(&out);

		assert_string_equal(text, cases[i].expected);
		assert_int_equal(used, text_width(text));
		free(text);
	}
}

static void assert_wrapped(const char *text, size_t width, const char *expected)
{
	struct strbuf out = { 0 };
	char *wrapped;

	text_add_wrapped(&out, text, 2, width);
	wrapped = strbuf_take(&out);
	assert_string_equal(wrapped, expected);
	free(wrapped);
}

static void test_wrap(void **state)
{
	assert_wrapped("one two three", 0, "  one two three\n");
	assert_wrapped("one two three", 15, "  one two three\n");
	assert_wrapped("one two three", 14, "  one two\n  three\n");
	assert_wrapped("one two three", 5, "  one\n  two\n  three\n");
	assert_wrapped("AAAAC3NzaC1lZDI1NTE5 is whole", 10, "  AAAAC3NzaC1lZDI1NTE5\n  is whole\n");
	assert_wrapped("", 10, "  \n");
}

/* -- table --------------------------------------------------------------------------------- */

static const struct table_column columns[] = {
	{ "NAME", false, 4, 0 },
	{ "N", true, 0, 1 },
	{ "WHERE", false, 5, 0 },
};

static void fill(struct table *t)
{
	table_init(t, columns, ARRAY_SIZE(columns));
	table_row(t);
	table_set(t, 0, STYLE_GREEN, "first");
	table_set(t, 1, STYLE_NONE, "12");
	table_set(t, 2, STYLE_NONE, "a→bcdefgh");
	table_row(t);
	table_set(t, 2, STYLE_NONE, "below");
	table_note(t, STYLE_RED, "a note that is long");
	table_row(t);
	table_set(t, 0, STYLE_NONE, "x");
	table_set(t, 1, STYLE_NONE, "3");
}

static void assert_table(unsigned width, bool colour, const char *expected)
{
	struct term term = { .utf8 = true, .width = width, .colour = colour };
	struct table t;
	char *text;

	fill(&t);
	text = table_text(&t, &term);
	assert_non_null(text);
	assert_string_equal(text, expected);
	free(text);
	table_fini(&t);
}

static void test_without_a_limit(void **state)
{
	assert_table(0, false,
		     "NAME    N  WHERE\n"
		     "first  12  a→bcdefgh\n"
		     "           below\n"
		     "    a note that is long\n"
		     "x       3\n");
}

static void test_shrinks_the_last_that_can(void **state)
{
	assert_table(18, false,
		     "NAME    N  WHERE\n"
		     "first  12  a→bcde…\n"
		     "           below\n"
		     "    a note that is\n"
		     "    long\n"
		     "x       3\n");
}

static void test_leaves_out_then_shrinks_again(void **state)
{
	assert_table(13, false,
		     "NAME   WHERE\n"
		     "first  a→bcd…\n"
		     "       below\n"
		     "    a note\n"
		     "    that is\n"
		     "    long\n"
		     "x\n");
}

static void test_cuts_what_still_is_too_wide(void **state)
{
	assert_table(8, false,
		     "NAME  W…\n"
		     "fir…  a…\n"
		     "      b…\n"
		     "    a\n"
		     "    note\n"
		     "    that\n"
		     "    is\n"
		     "    long\n"
		     "x\n");
}

static void test_colours_take_no_room(void **state)
{
	assert_table(0, true,
		     "\033[1mNAME\033[0m    \033[1mN\033[0m  \033[1mWHERE\033[0m\n"
		     "\033[32mfirst\033[0m  12  a→bcdefgh\n"
		     "           below\n"
		     "\033[31m    a note that is long\n\033[0m"
		     "x       3\n");
}

static void test_indent(void **state)
{
	struct term term = { .utf8 = true };
	struct table t;
	char *text;

	fill(&t);
	t.indent = 2;
	text = table_text(&t, &term);
	assert_string_equal(text, "  NAME    N  WHERE\n"
				  "  first  12  a→bcdefgh\n"
				  "             below\n"
				  "      a note that is long\n"
				  "  x       3\n");
	free(text);
	table_fini(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_width),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_wrap),
		cmocka_unit_test(test_without_a_limit),
		cmocka_unit_test(test_shrinks_the_last_that_can),
		cmocka_unit_test(test_leaves_out_then_shrinks_again),
		cmocka_unit_test(test_cuts_what_still_is_too_wide),
		cmocka_unit_test(test_colours_take_no_room),
		cmocka_unit_test(test_indent),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
