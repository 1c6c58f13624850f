/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ctl/unit.h"
#include "lib/str.h"

static const struct {
	const char *name, *text;
	const char *command, *user, *environment, *comments; /* lists with '|' between items */
} cases[] = {
	{ "a.service", "[Service]\nExecStart=/usr/bin/ssh -N h\n", "/usr/bin/ssh -N h", NULL, "",
	  "" },
	{ "a.service", "[Unit]\nExecStart=no\n[Service]\nExecStart = -@yes x\n[Install]\nUser=b\n",
	  "yes x", NULL, "", "the second word of ExecStart=@ is a name: -@yes x" },
	{ "a.service",
	  "[Service]\nExecStart=a \\\n  b \\\n# comment\n;another\n  c\n#ExecStart=d\n",
	  "a    b    c", NULL, "", "" },
	{ "a.service", "[Service]\nExecStart=a\nExecStart=\nExecStart=b\n", "b", NULL, "", "" },
	{ "a.service", "[Service]\nExecStart=a\nExecStart=b\n", "b", NULL, "",
	  "another ExecStart= stands before this one: a" },
	{ "ssh@db.service", "[Service]\nExecStart=%p %i %n %N %% %X %\n",
	  "ssh db ssh@db.service ssh@db % %X %", NULL, "", "not expanded: %X" },
	{ "ssh.service", "[Service]\nExecStart=[%i]\n", "[]", NULL, "", "" },
	/* Whose they are is known before they are expanded. */
	{ "a.service", "[Service]\nExecStart=%h %u\nUser=root\n", "/root root", "root", "", "" },
	{ "a.service", "[Service]\nUser=nobody-at-all\nExecStart=%u %h\n", "nobody-at-all %h",
	  "nobody-at-all", "", "not expanded: %h" },
	{ "a.service", "[Service]\nEnvironment=A=1 \"B=2 3\"\nEnvironment=C=%N\r\nExecStart=x\r\n",
	  "x", NULL, "A=1|B=2 3|C=a", "" },
	{ "a.service", "[Service]\nEnvironment=A=1\nEnvironment=\nEnvironment=B=2\nExecStart=x",
	  "x", NULL, "B=2", "" },
	{ "a.service", "[Service]\nEnvironmentFile=-/nonexistent/e\nExecStart=x", "x", NULL, "",
	  "not read: EnvironmentFile=/nonexistent/e" },
};

static char *join(const struct strv *v)
{
	struct strbuf text = { 0 };

	for (size_t i = 0; i < v->count; i++)
		strbuf_addf(&text, "%s%s", i ? "|" : "", v->items[i]);
	return strbuf_take(&text);
}

static void test_parse(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct unit unit;
		struct err err = { 0 };

		if (unit_parse(cases[i].name, cases[i].text, &unit, &err) < 0)
			fail_msg("%zu: %s", i, err.msg);
		CLEANUP(freep) char *environment = join(&unit.environment);
		CLEANUP(freep) char *comments = join(&unit.comments);

		assert_string_equal(unit.command, cases[i].command);
		assert_true(streq(unit.user, cases[i].user));
		assert_string_equal(environment, cases[i].environment);
		assert_string_equal(comments, cases[i].comments);
		unit_fini(&unit);
	}
}

static const struct {
	const char *text, *says;
} bad[] = {
	{ "", "no ExecStart=" },
	{ "[Service]\n", "no ExecStart=" },
	{ "ExecStart=x\n", "no ExecStart=" },
	{ "[Service]\nExecStart=x\nExecStart=\n", "no ExecStart=" },
	{ "[Service]\nEnvironment=\"A\nExecStart=x\n", "Environment=: a quote (\") is not closed" },
};

static void test_bad(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct unit unit;
		struct err err = { 0 };

		assert_int_equal(unit_parse("a.service", bad[i].text, &unit, &err), -1);
		if (!strstr(err.msg, bad[i].says))
			fail_msg("%zu: %s", i, err.msg);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
