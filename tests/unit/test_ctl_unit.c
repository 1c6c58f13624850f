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
	{ "a.service", "[Unit]\nExecStart=no\n[Service]\nExecStart = yes\n[Install]\nUser=b\n",
	  "yes", NULL, "", "" },
	{ "a.service",
	  "[Service]\nExecStart=a \\\n  b \\\n# comment\n;another\n  c\n#ExecStart=d\n", "a b c",
	  NULL, "", "" },
	{ "a.service", "[Service]\nExecStart=a \\\\\nUser=b\n", "a \\", "b", "", "" },
	{ "a.service", "[Service]\nExecStart=a\nExecStart=\nExecStart=b\n", "b", NULL, "", "" },
	{ "a.service", "[Service]\nExecStart=a x\nExecStart=b\n", "a x|b", NULL, "", "" },
	/* The second word is the process's name only behind "@", wherever that stands. */
	{ "a.service", "[Service]\nExecStart=@/usr/bin/ssh tunnel -N h\n", "/usr/bin/ssh -N h",
	  NULL, "", "" },
	{ "a.service", "[Service]\nExecStart=-!!@:a x y $HOME\n", "a y $HOME", NULL, "", "" },
	{ "a.service", "[Service]\nUser=root\nExecStart=:a $USER ${USER} $$\n",
	  "a $USER ${USER} $$", "root", "", "" },
	{ "a.service", "[Service]\nExecStart=+a\nExecStart=-!b\nExecStart=!!c\n",
	  "a(privileged)|b(privileged)|c", NULL, "", "" },
	{ "a.service", "[Service]\nExecStart=|a b\n", "a b", NULL, "",
	  "what a login shell would set (ExecStart=|) is not there" },
	{ "a.service", "[Service]\nExecStart=\"-a\" \"b c\" 'd\\x20e' f\\ g\n", "a b c d e f g",
	  NULL, "", "" },
	{ "ssh@db.service", "[Service]\nExecStart=%p %i %n %N %% %X %\n",
	  "ssh db ssh@db.service ssh@db % %X %", NULL, "", "not expanded: %X" },
	{ "x-y@a-b\\x2dc.service", "[Service]\nExecStart=%i %I %p %P %j\n",
	  "a-b\\x2dc a/b-c x-y x/y y", NULL, "", "" },
	{ "ssh.service", "[Service]\nExecStart=[%i]\n", "[]", NULL, "", "" },
	{ "ssh@.service", "[Service]\nExecStart=%i\n", "%i", NULL, "", "not expanded: %i" },
	/* What a specifier stands for is neither split nor read again. */
	{ "a@b%i\\x20\\x27.service", "[Service]\nExecStart=%I\n", "b%i '", NULL, "", "" },
	/* They are the service manager's, and not User='s. */
	{ "a.service", "[Service]\nExecStart=%h %u\nUser=nobody\n", "/root root", "nobody", "",
	  "" },
	{ "a.service", "[Service]\nUser=root\nExecStart=a $USER ${HOME}/k\n", "a root /root/k",
	  "root", "", "" },
	{ "a.service", "[Service]\nEnvironment=A=1 \"B=2 3\"\nEnvironment=C=%N\r\nExecStart=x\r\n",
	  "x", NULL, "A=1|B=2 3|C=a", "" },
	{ "a.service", "[Service]\nEnvironment=A=1\nEnvironment=\nEnvironment=B=2\nExecStart=x",
	  "x", NULL, "B=2", "" },
	{ "a.service",
	  "[Service]\nEnvironment=\"A=b c\" \"B='d e' f\"\nExecStart=x $A [${A}] $B -L$A $A/x $$A\n",
	  "x b c [b c] d e f -L$A $A", NULL, "A=b c|B='d e' f", "the unit does not set $A/x" },
	{ "a.service", "[Service]\nExecStart=x ${A}y $B z\n", "x y z", NULL, "",
	  "the unit does not set $A|the unit does not set $B" },
	{ "a.service", "[Service]\nEnvironmentFile=-/nonexistent/e\nExecStart=x", "x", NULL, "",
	  "not read: EnvironmentFile=/nonexistent/e" },
	{ "a.service", "[Service]\nEnvironmentFile=/nonexistent/e\nEnvironmentFile=\nExecStart=x",
	  "x", NULL, "", "" },
	{ "a.service", "[Service]\nExecStartPre=/bin/true\nExecStopPost=\nExecStart=x", "x", NULL,
	  "", "not run: ExecStartPre=/bin/true" },
};

static char *join(const struct strv *v)
{
	struct strbuf text = { 0 };

	for (size_t i = 0; i < v->count; i++)
		strbuf_addf(&text, "%s%s", i ? "|" : "", v->items[i]);
	return strbuf_take(&text);
}

/* Commands with '|' between them; their words with a blank. */
static char *join_commands(const struct unit *unit, struct strv *ret_comments)
{
	struct strbuf text = { 0 };

	for (size_t i = 0; i < unit->commands.count; i++) {
		struct words words;
		struct unit_command c;
		struct err err;

		assert_int_equal(words_split(unit->commands.items[i], WORDS_SYSTEMD, &words, &err),
				 0);
		assert_int_equal(unit_command_init(&c, unit, &words, 0, words.count), 0);
		strbuf_add(&text, i > 0 ? "|" : "");
		for (size_t j = 0; j < c.argv.count; j++)
			strbuf_addf(&text, "%s%s", j > 0 ? " " : "", c.argv.items[j]);
		strbuf_add(&text, c.is_privileged ? "(privileged)" : "");
		strv_fini(ret_comments);
		strv_copy(ret_comments, &c.comments);
		unit_command_fini(&c);
		words_fini(&words);
	}
	return strbuf_take(&text);
}

static void test_parse(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct unit unit;
		struct strv all = { 0 };
		struct err err = { 0 };

		if (unit_parse(cases[i].name, false, cases[i].text, &unit, &err) < 0)
			fail_msg("%zu: %s", i, err.msg);
		CLEANUP(freep) char *commands = join_commands(&unit, &all);
		CLEANUP(freep) char *environment = join(&unit.environment);
		CLEANUP(freep) char *comments = join(&all);

		assert_string_equal(commands, cases[i].command);
		assert_true(streq(unit.user, cases[i].user));
		assert_string_equal(environment, cases[i].environment);
		assert_string_equal(comments, cases[i].comments);
		strv_fini(&all);
		unit_fini(&unit);
	}
}

static void test_of_user(void **state)
{
	struct unit unit;
	struct strv all = { 0 };
	struct err err = { 0 };

	assert_int_equal(
		unit_parse("a.service", true, "[Service]\nExecStart=%h ${HOME} %u", &unit, &err),
		0);
	CLEANUP(freep) char *commands = join_commands(&unit, &all);

	assert_string_equal(commands, "~ ~ %u");
	assert_int_equal(all.count, 1);
	strv_fini(&all);
	unit_fini(&unit);
}

/* As systemd.exec(5) has it. */
static void test_environment_file(void **state)
{
	static const char text[] = "# comment\n; comment\n A = 1 2  \r\nB=\"3 # \\\" \\x 4\"\n"
				   "C='5\n6' 7\nexport D=8\nE=9\\\n0\\ \nF\nG=\nH=\"1\\\n2\"";
	struct strv found = { 0 };

	assert_int_equal(unit_read_environment(text, &found), 0);
	CLEANUP(freep) char *joined = join(&found);

	assert_string_equal(joined, "A=1 2|B=3 # \" \\x 4|C=5\n67|E=90 |G=|H=12");
	strv_fini(&found);
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

		assert_int_equal(unit_parse("a.service", false, bad[i].text, &unit, &err), -1);
		if (!strstr(err.msg, bad[i].says))
			fail_msg("%zu: %s", i, err.msg);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_of_user),
		cmocka_unit_test(test_environment_file),
		cmocka_unit_test(test_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
