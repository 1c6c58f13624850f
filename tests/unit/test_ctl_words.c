/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ctl/words.h"
#include "lib/str.h"
#include "lib/util.h"

/* The words with '|' between them, an operator in <>, one that expands with a $ before it. */
static const struct {
	enum words_syntax syntax;
	const char *text, *words; /* NULL: refused */
} cases[] = {
	{ WORDS_SHELL, "", "" },
	{ WORDS_SHELL, " \t ", "" },
	{ WORDS_SHELL, "ssh  -fN\th", "ssh|-fN|h" },
	{ WORDS_SHELL, "a 'b c' \"d e\"f'g'", "a|b c|d efg" },
	{ WORDS_SHELL, "'' \"\"", "|" },
	{ WORDS_SHELL, "a\\ b \\'c", "a b|'c" },
	{ WORDS_SHELL, "\"a\\\"b\\c\" 'a\\'", "a\"b\\c|a\\" },
	{ WORDS_SHELL, "a\\\nb", "ab" },
	{ WORDS_SHELL, "a # b", "a" },
	{ WORDS_SHELL, "a#b", "a#b" },
	{ WORDS_SHELL, "a&&b || c;d&", "a|<&&>|b|<||>|c|<;>|d|<&>" },
	{ WORDS_SHELL, "a >/dev/null 2>&1", "a|<>>|/dev/null|2|<>&>|1" },
	{ WORDS_SHELL, "'a;b' \"c&d\"", "a;b|c&d" },
	{ WORDS_SHELL, "$A \"$B\" '$C' `d`", "$$A|$$B|$C|$`d`" },
	{ WORDS_SHELL, "a\\", "a" },
	{ WORDS_SHELL, "'a", NULL },
	{ WORDS_SHELL, "\"a\\", NULL },
	{ WORDS_SHELL, "$HOME/a \"${HOME}/b c\" -oK=$HOME/d", "~/a|~/b c|-oK=~/d" },
	{ WORDS_SHELL, "'$HOME/a' x$HOME/b $HOME $HOMER/c", "$HOME/a|$x$HOME/b|$$HOME|$$HOMER/c" },
	{ WORDS_SYSTEMD, "$HOME/a", "$HOME/a" },
	{ WORDS_SYSTEMD, "a ; b && c # d $E", "a|<;>|b|&&|c|#|d|$E" },
	{ WORDS_SYSTEMD, "a \\; b; ;c ;", "a|;|b;|;c|<;>" },
	{ WORDS_SYSTEMD, "\"a b\" 'c \"d\"' e\\ f", "a b|c \"d\"|e f" },
	{ WORDS_SYSTEMD, "\\x41\\s\\tb '\\x42'", "A \tb|B" },
	{ WORDS_SYSTEMD, "a\\x00b \\xzz", "ab|xzz" },
	{ WORDS_SYSTEMD, "\"a", NULL },
};

static void test_cases(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct words words;
		struct strbuf text = { 0 };
		struct err err;
		CLEANUP(freep) char *got = NULL;

		if (words_split(cases[i].text, cases[i].syntax, &words, &err) < 0) {
			assert_null(cases[i].words);
			assert_non_null(strstr(err.msg, "not closed"));
			continue;
		}
		for (size_t j = 0; j < words.count; j++) {
			const struct word *w = &words.items[j];

			strbuf_addf(&text, "%s%s%s%s%s", j ? "|" : "", w->expands ? "$" : "",
				    w->is_operator ? "<" : "", w->text, w->is_operator ? ">" : "");
		}
		got = strbuf_take(&text);
		assert_non_null(cases[i].words);
		assert_string_equal(got, cases[i].words);
		words_fini(&words);
	}
}

static void test_too_many(void **state)
{
	char text[2 * WORDS_MAX + 3];
	struct words words;
	struct err err;

	for (size_t i = 0; i < sizeof(text) - 1; i++)
		text[i] = i % 2 ? ' ' : 'a';
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(words_split(text, WORDS_SHELL, &words, &err), -1);
	assert_non_null(strstr(err.msg, "4096 words"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_too_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
