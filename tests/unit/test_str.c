/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/str.h"
#include "lib/util.h"

static void test_buffer_grows(void **state)
{
	struct strbuf b = { 0 };
	char *text;

	for (int i = 0; i < 1000; i++)
		strbuf_addf(&b, "%d,", i % 10);
	strbuf_add(&b, "end");
	assert_int_equal(b.length, 2003);
	text = strbuf_take(&b);
	assert_non_null(text);
	assert_int_equal(strlen(text), 2003);
	assert_string_equal(text + 1998, "9,end");
	assert_null(b.data);
	free(text);
}

static void test_empty_buffer_is_the_empty_text(void **state)
{
	struct strbuf b = { 0 };
	char *text = strbuf_take(&b);

	assert_string_equal(text, "");
	free(text);
	strbuf_fini(&b);
}

static void test_failure_is_remembered(void **state)
{
	struct strbuf b = { 0 };

	strbuf_add(&b, "a");
	b.failed = true;
	strbuf_add(&b, "b");
	assert_int_equal(b.length, 1);
	assert_null(strbuf_take(&b));
	assert_false(b.failed);
}

#define BYTES(text) (text), sizeof(text) - 1

static const struct {
	const char *bytes;
	size_t length;
	bool is_utf8;
	const char *escaped;
} texts[] = {
	{ BYTES(""), true, "" },
	{ BYTES("plain"), true, "plain" },
	{ BYTES("a\nb\tc\rd"), true, "a\\nb\\tc\\x0dd" },
	{ BYTES("a\0b"), true, "a\\x00b" },
	{ BYTES("\x1b[31m\x7f"), true, "\\x1b[31m\\x7f" },
	{ BYTES("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80"), true,
	  "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80" },
	{ BYTES("\xc2\x85"), true, "\\xc2\\x85" }, /* C1: next line */
	{ BYTES("\xe2\x80\xae"), true, "\\xe2\\x80\\xae" }, /* right-to-left override */
	{ BYTES("\xdc\x8f\xe2\x80\x8e\xef\xbb\xbf\xf3\xa0\x81\x81"), true, /* format characters */
	  "\\xdc\\x8f\\xe2\\x80\\x8e\\xef\\xbb\\xbf\\xf3\\xa0\\x81\\x81" },
	{ BYTES("\xc2\xac\xc2\xae\xf3\xa0\x84\x80"), true, "\xc2\xac\xc2\xae\xf3\xa0\x84\x80" },
	{ BYTES("\xff"
		"a"),
	  false, "\\xffa" },
	{ BYTES("\xc3"), false, "\\xc3" }, /* cut short */
	{ BYTES("\xc0\xaf"), false, "\\xc0\\xaf" }, /* overlong '/' */
	{ BYTES("\xe0\x80\xaf"), false, "\\xe0\\x80\\xaf" }, /* overlong */
	{ BYTES("\xed\xa0\x80"), false, "\\xed\\xa0\\x80" }, /* surrogate */
	{ BYTES("\xf4\x90\x80\x80"), false, "\\xf4\\x90\\x80\\x80" }, /* past U+10FFFF */
	{ BYTES("\x80"), false, "\\x80" },
};

static void test_utf8_and_escape(void **state)
{
	char out[128];

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		assert_int_equal(str_is_utf8(texts[i].bytes, texts[i].length), texts[i].is_utf8);
		str_escape(out, sizeof(out), texts[i].bytes, texts[i].length);
		assert_string_equal(out, texts[i].escaped);
	}
}

static const struct {
	size_t size;
	const char *bytes, *escaped;
} cuts[] = {
	{ 1, "abc", "" },
	{ 3, "abc", ".." },
	{ 4, "abc", "abc" },
	{ 4, "abcd", "..." },
	{ 6, "abcdef", "ab..." },
	{ 6, "\xe2\x82\xac\xe2\x82\xac", "..." }, /* never half a character */
	{ 8, "a\n\n\n\n", "a\\n..." },
};

static void test_escape_is_cut(void **state)
{
	char out[16];

	for (size_t i = 0; i < ARRAY_SIZE(cuts); i++) {
		str_escape(out, cuts[i].size, cuts[i].bytes, strlen(cuts[i].bytes));
		assert_string_equal(out, cuts[i].escaped);
	}
}

static const char *const words[] = { "identity", "known_hosts", "connect_timeout", "host", "hold",
				     "start",    "user" };

static const struct {
	const char *word, *meant;
} suggestions[] = {
	{ "idnetity", "identity" },
	{ "Identity", "identity" },
	{ "identiy", "identity" },
	{ "knownhosts", "known_hosts" },
	{ "connect-timeout", "connect_timeout" },
	{ "timeout", "connect_timeout" },
	{ "hosts", "host" },
	{ "strat", "start" },
	{ "usr", "user" },
	{ "frobnicate", NULL },
	{ "x", NULL },
	{ "", NULL },
	{ "zzzz", NULL },
};

static void test_suggest(void **state)
{
	char longer[1000];

	for (size_t i = 0; i < ARRAY_SIZE(suggestions); i++) {
		const char *meant = str_suggest(suggestions[i].word, words, ARRAY_SIZE(words));

		if (suggestions[i].meant)
			assert_string_equal(meant, suggestions[i].meant);
		else
			assert_null(meant);
	}
	memset(longer, 'a', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_null(str_suggest(longer, words, ARRAY_SIZE(words)));
}

static void test_base_name(void **state)
{
	assert_string_equal(str_base_name("/usr/bin/ssh"), "ssh");
	assert_string_equal(str_base_name("ssh"), "ssh");
	assert_string_equal(str_base_name("a/"), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_buffer_grows),
		cmocka_unit_test(test_empty_buffer_is_the_empty_text),
		cmocka_unit_test(test_failure_is_remembered),
		cmocka_unit_test(test_utf8_and_escape),
		cmocka_unit_test(test_escape_is_cut),
		cmocka_unit_test(test_suggest),
		cmocka_unit_test(test_base_name),
	};

	return cmocka_run_group_tests_name("str", tests, NULL, NULL);
}
