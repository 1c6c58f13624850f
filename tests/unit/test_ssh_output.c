/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/ssh_output.h"
#include "lib/util.h"

static struct ssh_output parse(const char *text)
{
	struct ssh_output output;
	struct err err;

	if (ssh_output_parse(text, strlen(text), &output, &err) < 0)
		fail_msg("%s", err.msg);
	return output;
}

static void test_lines(void **state)
{
	struct ssh_output o = parse("host db\nidentityfile ~/.ssh/a\nidentityfile /k/b c\n"
				    "remotecommand\n\nport 22");
	size_t at = 0;

	assert_int_equal(o.count, 5);
	assert_string_equal(ssh_output_find(&o, "host"), "db");
	assert_string_equal(ssh_output_find(&o, "Port"), "22");
	assert_string_equal(ssh_output_find(&o, "remotecommand"), "");
	assert_null(ssh_output_find(&o, "user"));
	assert_string_equal(ssh_output_next(&o, "IdentityFile", &at), "~/.ssh/a");
	assert_string_equal(ssh_output_next(&o, "IdentityFile", &at), "/k/b c");
	assert_null(ssh_output_next(&o, "IdentityFile", &at));
	ssh_output_fini(&o);
	o = parse("");
	assert_int_equal(o.count, 0);
	ssh_output_fini(&o);
}

static const struct {
	const char *a, *b;
	bool agree;
} pairs[] = {
	{ "x 1\n", "x 1\n", true },
	{ "x 1\n", "y 2\nX 1\n", true },
	{ "y 1\n", "", true },
	{ "x 1\n", "x 2\n", false },
	{ "x 1\n", "", false },
	{ "", "x 1\n", false },
	{ "x 1\nx 2\n", "x 1\n", false },
	{ "x 1\nx 2\n", "x 2\nx 1\n", false },
	{ "x 1\ny 3\nx 2\n", "x 1\nx 2\n", true },
};

static void test_agree(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		struct ssh_output a = parse(pairs[i].a), b = parse(pairs[i].b);

		if (ssh_output_agree(&a, &b, "x") != pairs[i].agree)
			fail_msg("pair %zu", i);
		ssh_output_fini(&a);
		ssh_output_fini(&b);
	}
}

static void refuse(const char *text, size_t length, const char *says)
{
	struct ssh_output output;
	struct err err;

	assert_int_equal(ssh_output_parse(text, length, &output, &err), -1);
	assert_int_equal(err.code, ERR_CONFIG);
	if (!strstr(err.msg, says))
		fail_msg("'%s' does not say '%s'", err.msg, says);
	assert_null(output.text);
}

static void test_refused(void **state)
{
	CLEANUP(freep) char *large = malloc(SSH_OUTPUT_MAX + 2);

	memset(large, 'x', SSH_OUTPUT_MAX + 2);
	refuse(large, SSH_OUTPUT_MAX + 1, "bytes");
	for (size_t i = 1; i < SSH_OUTPUT_MAX; i += 2)
		large[i] = '\n';
	refuse(large, SSH_OUTPUT_MAX, "lines");
	refuse("host a\0b", 8, "UTF-8");
	refuse("host \xff", 6, "UTF-8");
}

static const struct {
	const char *text, *path;
	unsigned line;
	const char *says;
} complaints[] = {
	{ "/h/.ssh/config: line 3: Bad configuration option: foo\r\n"
	  "/h/.ssh/config: terminating, 1 bad configuration options\r\n",
	  "/h/.ssh/config", 3, "Bad configuration option: foo" },
	{ "/a b/c line 12: no argument after keyword \"port\"\r\n", "/a b/c", 12,
	  "no argument after keyword \"port\"" },
	{ "Pseudo-terminal will not be allocated\n/c: line 7: keyword x extra arguments\n", "/c", 7,
	  "keyword x extra arguments" },
	{ "Can't open user config file /nope: No such file or directory\r\n", NULL, 0,
	  "Can't open user config file /nope: No such file or directory" },
	{ "", NULL, 0, "does not say why" },
	{ "\n\r\n", NULL, 0, "does not say why" },
	{ "one\ntwo", NULL, 0, "two" },
	{ " line 3: x", NULL, 0, " line 3: x" },
	{ "/c: line 0: x", NULL, 0, "/c: line 0: x" },
	{ "/c: line 3 x", NULL, 0, "/c: line 3 x" },
	{ "/c: line 4: \x1b[31mred", "/c", 4, "\\x1b[31mred" },
};

static void test_complaints(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(complaints); i++) {
		CLEANUP(freep) char *path = NULL;
		struct err err;
		unsigned line;

		ssh_complaint(complaints[i].text, &path, &line, &err);
		if (!streq(path, complaints[i].path) || line != complaints[i].line ||
		    !strstr(err.msg, complaints[i].says))
			fail_msg("%zu: %s:%u: %s", i, path ? path : "nowhere", line, err.msg);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_agree),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_complaints),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
