/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>

#include "ctl/ctl.h"
#include "lib/util.h"

/* The man page and the completions are written by hand; this holds them against the tables. */

#define FILE_MAX (64 * 1024)

static char *read_source(const char *name)
{
	char path[512];
	char *text = calloc(1, FILE_MAX);
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", TOP_SOURCE_DIR, name);
	file = fopen(path, "r");
	assert_non_null(text);
	assert_non_null(file);
	assert_true(fread(text, 1, FILE_MAX - 1, file) < FILE_MAX - 1);
	fclose(file);
	return text;
}

static void assert_mentions(const char *text, const char *file, const char *format,
			    const char *word)
{
	char wanted[128];
	const char *at = strchr(format, '%');

	snprintf(wanted, sizeof(wanted), "%.*s%s%s", (int)(at - format), format, word, at + 1);
	if (!strstr(text, wanted))
		fail_msg("%s does not say '%s'", file, wanted);
}

static void check_options(const char *file, const char *letter_format, const char *name_format)
{
	char *text = read_source(file);

	for (int id = 0; id < OPTION_COUNT; id++) {
		const struct option_row *row = &option_rows[id];

		if (row->letter)
			assert_mentions(text, file, letter_format, (char[]){ row->letter, '\0' });
		if (row->name)
			assert_mentions(text, file, name_format, row->name);
	}
	free(text);
}

static void check_verbs(const char *file, const char *format)
{
	char *text = read_source(file);

	for (size_t i = 0; i < verb_count; i++)
		assert_mentions(text, file, format, verbs[i].name);
	free(text);
}

static void test_man_page(void **state)
{
	check_verbs("docs/tunctl.1.scd", "\n*tunctl* *%*");
	check_verbs("docs/tunctl.1.scd", "\n*%*");
	check_options("docs/tunctl.1.scd", "*-%*", "*--%*");
}

/* "up | restart) words="$global --all": what bash offers for each verb is what the verb takes. */
static void check_bash_words(const char *text, const struct verb *verb)
{
	char line[256] = "";
	const char *at = strstr(text, "case $verb in");
	const char *file = "ctl/completions/tunctl.bash";

	assert_non_null(at);
	if (verb->options == 0)
		return;
	/* The label stands alone or with others: "up | restart)". */
	for (at++; (at = strstr(at, verb->name)); at++) {
		size_t length = strcspn(at, "\n");

		if (memchr(at, ')', length)) {
			snprintf(line, sizeof(line), "%.*s", (int)length, at);
			break;
		}
	}
	strncat(line, " ", sizeof(line) - strlen(line) - 1);
	for (char *c = line; *c; c++)
		*c = *c == '"' ? ' ' : *c;
	for (int id = 0; id < OPTION_COUNT; id++) {
		const struct option_row *row = &option_rows[id];

		if (!(verb->options & OPTION_BIT(id)))
			continue;
		if (row->letter)
			assert_mentions(line, file, " -% ", (char[]){ row->letter, '\0' });
		if (row->name)
			assert_mentions(line, file, " --% ", row->name);
	}
}

static void test_bash_completion(void **state)
{
	char *text = read_source("ctl/completions/tunctl.bash");

	check_options("ctl/completions/tunctl.bash", "-%", "--%");
	for (size_t i = 0; i < verb_count; i++)
		check_bash_words(text, &verbs[i]);
	free(text);
}

static void test_zsh_completion(void **state)
{
	char *text = read_source("ctl/completions/_tunctl");

	check_options("ctl/completions/_tunctl", "-%", "--%");
	for (size_t i = 0; i < verb_count; i++) {
		assert_mentions(text, "ctl/completions/_tunctl", "%:", verbs[i].name);
		assert_mentions(text, "ctl/completions/_tunctl", ":%", verbs[i].help);
	}
	free(text);
}

static void test_no_letter_means_two_things(void **state)
{
	for (size_t i = 0; i < verb_count; i++) {
		unsigned options = verbs[i].options | OPTION_GLOBAL;
		char seen[256] = { 0 };

		for (int id = 0; id < OPTION_COUNT; id++) {
			unsigned char letter = (unsigned char)option_rows[id].letter;

			if (!(options & OPTION_BIT(id)) || !letter)
				continue;
			assert_false(seen[letter]);
			seen[letter] = 1;
		}
		for (size_t k = 0; verbs[i].ssh_letters && k < ssh_letter_count; k++) {
			unsigned char letter = (unsigned char)ssh_letters[k].letter;

			assert_false(seen[letter]);
			seen[letter] = 1;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_man_page),
		cmocka_unit_test(test_bash_completion),
		cmocka_unit_test(test_zsh_completion),
		cmocka_unit_test(test_no_letter_means_two_things),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
