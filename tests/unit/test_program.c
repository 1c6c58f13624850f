/* SPDX-License-Identifier: MIT */
/*
 * A program that runs for somebody: what it hears and says, what it complains about, and how it ends,
 * whether it wants to or not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/supervisor/program.h"
#include "tests/unit/real_loop.h"

static struct loop *loop;
static struct children children;
static struct program program;
static unsigned ended, lines_told;
static int status, fd, its_fd;
static struct err not_run;
static char last[LINES_TEXT_MAX], lines[65536];

static void on_line(void *data, const char *text)
{
	size_t used = strlen(lines);

	lines_told++;
	snprintf(lines + used, sizeof(lines) - used, "%s|", text);
}

static void on_end(void *data, int wait_status, const char *said, const struct err *why)
{
	ended++;
	not_run = why ? *why : (struct err){ 0 };
	status = wait_status;
	snprintf(last, sizeof(last), "%s", said);
	loop_quit(loop, 0);
}

static const struct program_ops ops = { .on_line = on_line, .on_end = on_end };

static void start(const char *script)
{
	char *words[] = { (char *)"sh", (char *)"-c", (char *)script };
	struct strv v = { words, 3 };
	struct err err;

	if (program_start(&program, loop, &children, &v, &ops, NULL, &fd, &its_fd, &err) < 0)
		fail_msg("%s", err.msg);
	assert_true(program_is_running(&program));
}

static void run(const char *script)
{
	start(script);
	real_loop_run(loop);
	assert_int_equal(ended, 1);
	assert_false(program_is_running(&program));
}

static int set_up(void **state)
{
	loop = real_loop_new();
	assert_int_equal(children_init(&children, loop), 0);
	ended = lines_told = 0;
	fd = its_fd = -1;
	lines[0] = last[0] = '\0';
	return 0;
}

static int tear_down(void **state)
{
	program_kill(&program);
	assert_true(list_is_empty(&children.all));
	closep(&fd);
	closep(&its_fd);
	children_fini(&children);
	loop_free(loop);
	return 0;
}

static bool is_readable(int of)
{
	struct pollfd p = { .fd = of, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

static void test_it_hears_and_says(void **state)
{
	char said[16] = "";

	start("read word; echo \"got $word\"");
	assert_int_equal(write(fd, "it\n", 3), 3);
	real_loop_run(loop);
	assert_int_equal(ended, 1);
	assert_int_equal(status, 0);
	assert_int_equal(not_run.code, ERR_NONE);
	assert_int_equal(read(fd, said, sizeof(said)), 7);
	assert_string_equal(said, "got it\n");
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
}

/* Whoever reads the line learns of the end when we let him. */
static void test_its_end_is_seen_later(void **state)
{
	char byte;

	run("exit 1");
	assert_false(is_readable(fd));
	closep(&its_fd);
	assert_true(is_readable(fd));
	assert_int_equal(read(fd, &byte, 1), 0);
}

static void test_complaints(void **state)
{
	run("printf 'one\\r\\n\\n  \\ntwo\\t\\033\\nthree' >&2; exit 5");
	assert_string_equal(lines, "one|two\\t\\x1b|three|");
	assert_string_equal(last, "three");
	assert_int_equal(WEXITSTATUS(status), 5);
}

static void test_a_long_line_is_cut(void **state)
{
	run("head -c 100000 /dev/zero | tr '\\0' a >&2");
	assert_int_equal(lines_told, 1);
	assert_int_equal(strlen(last), LINES_TEXT_MAX - 1);
	assert_int_equal(last[0], 'a');
}

static void test_many_lines_are_counted(void **state)
{
	run("i=0; while [ $i -lt 200 ]; do echo line $i >&2; i=$((i+1)); done");
	assert_int_equal(lines_told, LINES_PER_PERIOD);
	assert_string_equal(last, "line 199");
	assert_int_equal(program.lines.left_out, 200 - LINES_PER_PERIOD);
}

/* It is not read without end: the pipe fills, and it waits. */
static void test_a_flood_has_to_wait(void **state)
{
	start("exec yes >&2");
	while (program.lines.bytes < LINES_BYTES_PER_PERIOD)
		real_loop_turns(loop, 1);
	real_loop_turns(loop, 10);
	assert_true(program.lines.bytes < LINES_BYTES_PER_PERIOD + 8192);
	assert_true(loop_timer_is_set(&program.lines.pause));
	program_stop(&program);
	real_loop_run(loop);
	assert_string_equal(last, "y");
	assert_true(WIFSIGNALED(status));
}

static void test_stop(void **state)
{
	start("echo >&2; exec sleep 1000");
	program_stop(&program);
	program_stop(&program);
	real_loop_run(loop);
	assert_int_equal(ended, 1);
	assert_int_equal(WTERMSIG(status), SIGTERM);
}

static void test_stop_of_a_stopped_one(void **state)
{
	start("kill -STOP $$; exec sleep 1000");
	program_stop(&program);
	real_loop_run(loop);
	assert_int_equal(WTERMSIG(status), SIGTERM);
}

static void test_stop_of_one_that_does_not_want_to(void **state)
{
	uint64_t before = monotonic_ms();

	start("trap '' TERM; echo ready >&2; while :; do sleep 1; done");
	while (lines_told == 0)
		real_loop_turns(loop, 1);
	program_stop(&program);
	real_loop_run(loop);
	assert_int_equal(WTERMSIG(status), SIGKILL);
	assert_true(monotonic_ms() - before >= PROGRAM_GRACE_MS);
}

static void test_kill_is_silent(void **state)
{
	pid_t pid;

	start("exec sleep 1000");
	pid = program.child.pid;
	program_kill(&program);
	while (kill(pid, 0) == 0)
		real_loop_turns(loop, 1);
	assert_int_equal(ended, 0);
}

static void test_that_it_cannot_be_run_is_its_end(void **state)
{
	char *words[] = { (char *)"/no/such/program" };
	struct strv v = { words, 1 };
	struct err err;

	assert_int_equal(
		program_start(&program, loop, &children, &v, &ops, NULL, &fd, &its_fd, &err), 0);
	real_loop_run(loop);
	assert_int_equal(ended, 1);
	assert_int_equal(not_run.code, ERR_CONFIG);
	assert_string_equal(not_run.msg, "cannot run /no/such/program: No such file or directory");
	assert_false(program_is_running(&program));
}

static void test_none_of_it_is_left_when_it_cannot_start(void **state)
{
	char *words[] = { (char *)"no-such-program" };
	struct strv v = { words, 1 };
	struct err err;

	assert_int_equal(
		program_start(&program, loop, &children, &v, &ops, NULL, &fd, &its_fd, &err), -1);
	assert_int_equal(err.code, ERR_CONFIG);
	assert_false(program_is_running(&program));
	assert_int_equal(fd, -1);
	program_stop(&program);
	program_kill(&program);
	real_loop_turns(loop, 2);
	assert_int_equal(ended, 0);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_it_hears_and_says),
		CASE(test_its_end_is_seen_later),
		CASE(test_complaints),
		CASE(test_a_long_line_is_cut),
		CASE(test_many_lines_are_counted),
		CASE(test_a_flood_has_to_wait),
		CASE(test_stop),
		CASE(test_stop_of_a_stopped_one),
		CASE(test_stop_of_one_that_does_not_want_to),
		CASE(test_kill_is_silent),
		CASE(test_that_it_cannot_be_run_is_its_end),
		CASE(test_none_of_it_is_left_when_it_cannot_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
