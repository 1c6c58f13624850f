/* SPDX-License-Identifier: MIT */
/*
 * The log of a process is one, so each case is a child process whose stderr is a pipe the test
 * reads, or does not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/common/log.h"
#include "lib/err.h"
#include "lib/str.h"
#include "lib/util.h"

static struct strbuf said; /* everything the child wrote */
static int told[2], asked[2]; /* the child tells that it got somewhere; it is asked to go on */

/* ---- children ---- */

struct child {
	pid_t pid;
	int stderr_fd; /* reading end */
};

static struct child child_start(void (*run)(void))
{
	struct child c;
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	c.pid = fork();
	assert_true(c.pid >= 0);
	if (c.pid == 0) {
		dup2(fds[1], STDERR_FILENO);
		closep(&fds[0]); /* or the pipe would always have a reader */
		run();
		_exit(0);
	}
	close(fds[1]);
	c.stderr_fd = fds[0];
	return c;
}

static void child_read_all(struct child *c)
{
	char bytes[4096];
	ssize_t n;

	while ((n = read(c->stderr_fd, bytes, sizeof(bytes))) > 0)
		strbuf_add_bytes(&said, bytes, (size_t)n);
	assert_int_equal(n, 0);
}

static void child_end(struct child *c)
{
	int status;

	assert_int_equal(waitpid(c->pid, &status, 0), c->pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	close(c->stderr_fd);
}

static void run_child(void (*run)(void))
{
	struct child c = child_start(run);

	child_read_all(&c);
	child_end(&c);
	strbuf_add(&said, "");
}

static void send_byte(int fd)
{
	if (write(fd, "x", 1) != 1)
		abort();
}

static void await_byte(int fd)
{
	char byte;

	if (read(fd, &byte, 1) != 1)
		abort();
}

static int set_up(void **state)
{
	said = (struct strbuf){ 0 };
	assert_int_equal(pipe2(told, O_CLOEXEC), 0);
	return pipe2(asked, O_CLOEXEC);
}

static int tear_down(void **state)
{
	strbuf_fini(&said);
	for (int i = 0; i < 2; i++) {
		close(told[i]);
		close(asked[i]);
	}
	return 0;
}

static size_t count(const char *part)
{
	size_t n = 0;

	for (const char *p = said.data; (p = strstr(p, part)); p += strlen(part))
		n++;
	return n;
}

/* ---- lines ---- */

static void open_log(void)
{
	unsetenv("JOURNAL_STREAM");
	if (log_open("progname") < 0)
		abort();
}

static void say_one_of_each(void)
{
	open_log();
	log_set_level(LOG_DEBUG);
	log_error("an error %d", 1);
	log_warning("a warning");
	log_info("a note");
	log_debug("a detail");
	log_close();
}

static void test_lines_have_time_program_and_level(void **state)
{
	static const char *const lines[] = { " progname: error: an error 1\n",
					     " progname: warning: a warning\n",
					     " progname: a note\n",
					     " progname: debug: a detail\n" };
	const char *line;
	int year, month, day, hour, minute, second;

	run_child(say_one_of_each);
	line = said.data;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		assert_int_equal(sscanf(line, "%4d-%2d-%2d %2d:%2d:%2d", &year, &month, &day, &hour,
					&minute, &second),
				 6);
		assert_true(year >= 2024);
		line += strlen("2024-01-01 00:00:00");
		assert_memory_equal(line, lines[i], strlen(lines[i]));
		line += strlen(lines[i]);
	}
	assert_string_equal(line, "");
}

static void say_at_levels(void)
{
	open_log();
	log_info("shown at info");
	log_debug("hidden at info");
	log_set_level(LOG_ERROR);
	log_warning("hidden at error");
	log_error(log_is_on(LOG_WARNING) ? "warnings are on" : "warnings are off");
	log_close();
}

static void test_levels(void **state)
{
	run_child(say_at_levels);
	assert_int_equal(count("shown"), 1);
	assert_int_equal(count("hidden"), 0);
	assert_int_equal(count("warnings are off"), 1);
}

static void say_before_and_after(void)
{
	log_info("before");
	open_log();
	log_info("between");
	log_close();
	log_info("after");
}

static void test_lines_before_open_and_after_close(void **state)
{
	run_child(say_before_and_after);
	assert_int_equal(count("before\n"), 1);
	assert_int_equal(count("between\n"), 1);
	assert_int_equal(count("after\n"), 1);
}

static void say_strange_things(void)
{
	open_log();
	log_info("%s", "two\nlines \x1b[31m and \xff");
	log_close();
}

static void test_text_of_strangers_is_escaped(void **state)
{
	run_child(say_strange_things);
	assert_int_equal(count("two\\nlines \\x1b[31m and \\xff\n"), 1);
	assert_int_equal(count("\n"), 1);
}

/* The longest message there is, with a name in front, is not cut: it may hold a line to copy. */
static void say_long_things(void)
{
	char text[8192];

	open_log();
	memset(text, 'x', sizeof(text));
	text[sizeof(((struct err *)0)->msg) - 1] = '\0';
	log_info("%064d: %s|", 0, text);
	memset(text, 'y', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	log_info("%s", text);
	log_close();
}

static void test_long_lines_are_cut_visibly(void **state)
{
	run_child(say_long_things);
	assert_int_equal(count("x|\n"), 1);
	assert_int_equal(count("y...\n"), 1);
	assert_int_equal(count("\n"), 2);
	assert_true(said.length < 8192);
}

/* ---- the journal ---- */

static void set_journal_stream(unsigned long long off_by)
{
	char text[64];
	struct stat st;

	if (fstat(STDERR_FILENO, &st) < 0)
		abort();
	snprintf(text, sizeof(text), "%llu:%llu", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino + off_by);
	setenv("JOURNAL_STREAM", text, 1);
}

static void say_to_the_journal(void)
{
	set_journal_stream(0);
	if (log_open("progname") < 0)
		abort();
	log_error("one");
	log_info("two");
	log_close();
}

static void test_priorities_for_the_journal(void **state)
{
	run_child(say_to_the_journal);
	assert_string_equal(said.data, "<3>one\n<6>two\n");
}

/* JOURNAL_STREAM is inherited; stderr may be somebody else's pipe by now. */
static void say_beside_the_journal(void)
{
	set_journal_stream(1);
	if (log_open("progname") < 0)
		abort();
	log_info("two");
	log_close();
}

static void test_another_stderr_than_the_journals(void **state)
{
	run_child(say_beside_the_journal);
	assert_int_equal(count(" progname: two\n"), 1);
	assert_int_equal(count("<6>"), 0);
}

/* ---- a stderr nobody reads ---- */

#define FLOOD 20000

static void flood(void)
{
	open_log();
	for (int i = 0; i < FLOOD; i++)
		log_info("line %05d of the flood", i);
	send_byte(told[1]);
	await_byte(asked[0]); /* now it is read */
	log_close();
}

/* What all notes together say. */
static unsigned long lines_lost(void)
{
	unsigned long lost = 0;

	for (const char *p = said.data; (p = strstr(p, " log lines lost")); p++) {
		const char *number = p;

		while (number[-1] != '(')
			number--;
		lost += strtoul(number, NULL, 10);
	}
	return lost;
}

static void test_lines_are_lost_and_counted(void **state)
{
	struct child c = child_start(flood);

	await_byte(told[0]); /* it got through without a reader */
	send_byte(asked[1]);
	child_read_all(&c);
	child_end(&c);
	strbuf_add(&said, "");
	assert_in_range(lines_lost(), 1, FLOOD - 1);
	assert_int_equal(count("of the flood\n") + lines_lost(), FLOOD);
	assert_non_null(strstr(said.data, "line 00000 of the flood\n"));
}

static void flood_and_end(void)
{
	open_log();
	for (int i = 0; i < FLOOD; i++)
		log_info("line %05d of the flood", i);
	log_close();
	log_info("after close");
}

static void test_closing_does_not_wait_for_a_reader(void **state)
{
	struct child c = child_start(flood_and_end);

	child_end(&c); /* before anybody has read */
}

static void flood_without_blocking(void)
{
	fcntl(STDERR_FILENO, F_SETFL, fcntl(STDERR_FILENO, F_GETFL) | O_NONBLOCK);
	open_log();
	for (int i = 0; i < 2000; i++) /* more than a pipe holds, less than the ring */
		log_info("line %05d of the flood", i);
	send_byte(told[1]);
	log_close();
}

/* Somebody else may have made the shared descriptor non-blocking. */
static void test_a_stderr_that_does_not_block(void **state)
{
	struct child c = child_start(flood_without_blocking);

	await_byte(told[0]);
	child_read_all(&c);
	child_end(&c);
	strbuf_add(&said, "");
	assert_int_equal(count("of the flood\n"), 2000);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_lines_have_time_program_and_level),
		CASE(test_levels),
		CASE(test_lines_before_open_and_after_close),
		CASE(test_text_of_strangers_is_escaped),
		CASE(test_long_lines_are_cut_visibly),
		CASE(test_priorities_for_the_journal),
		CASE(test_another_stderr_than_the_journals),
		CASE(test_lines_are_lost_and_counted),
		CASE(test_closing_does_not_wait_for_a_reader),
		CASE(test_a_stderr_that_does_not_block),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
