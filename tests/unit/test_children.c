/* SPDX-License-Identifier: MIT */
/*
 * Processes we start: what they find, that each end is told once and to the right one, and that
 * nothing of them stays behind.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/supervisor/children.h"
#include "daemon/supervisor/process.h"
#include "lib/util.h"
#include "tests/unit/real_loop.h"

static struct loop *loop;
static struct children children;
static unsigned awaited; /* ends until the loop is quit */

struct run {
	struct child child;
	int out; /* what it writes to stdout */
	unsigned ended;
	int status;
};

static void on_exit_of(void *data, int wait_status)
{
	struct run *r = data;

	r->ended++;
	r->status = wait_status;
	if (--awaited == 0)
		loop_quit(loop, 0);
}

static int spawn(const char *path, char *const *argv, int out, int errors, pid_t *ret_pid,
		 int *ret_report, struct err *err)
{
	const int fds[] = { -1, out, errors };
	const struct process_plan plan = { .path = path, .argv = argv, .fds = fds, .fd_count = 3 };

	return process_spawn(&plan, ret_pid, ret_report, err);
}

static void start_with(struct run *r, const char *script, const char *variable)
{
	char *argv[] = { (char *)"sh", (char *)"-c", (char *)script, NULL };
	struct process_plan plan = {
		.path = "/bin/sh", .argv = argv, .fd_count = 3, .variable = variable
	};
	struct err err;
	int pipe_fds[2], report;
	pid_t pid;

	*r = (struct run){ .out = -1 };
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	plan.fds = (int[]){ -1, pipe_fds[1], STDERR_FILENO };
	if (process_spawn(&plan, &pid, &report, &err) < 0)
		fail_msg("%s", err.msg);
	close(report);
	close(pipe_fds[1]);
	r->out = pipe_fds[0];
	child_watch(&children, &r->child, pid, on_exit_of, r);
}

static void start(struct run *r, const char *script)
{
	start_with(r, script, NULL);
}

static void wait_for(unsigned ends)
{
	awaited = ends;
	real_loop_run(loop);
}

/* What it wrote, without the last line end. */
static const char *output(struct run *r)
{
	static char text[4096];
	size_t used = 0;
	ssize_t n;

	while ((n = read(r->out, text + used, sizeof(text) - 1 - used)) > 0)
		used += (size_t)n;
	close(r->out);
	if (used > 0 && text[used - 1] == '\n')
		used--;
	text[used] = '\0';
	return text;
}

static const char *output_of(const char *script)
{
	static struct run r;

	start(&r, script);
	wait_for(1);
	assert_int_equal(r.ended, 1);
	assert_int_equal(r.child.pid, 0);
	return output(&r);
}

static int set_up(void **state)
{
	loop = real_loop_new();
	assert_int_equal(children_init(&children, loop), 0);
	return 0;
}

static int tear_down(void **state)
{
	assert_true(list_is_empty(&children.all));
	children_fini(&children);
	loop_free(loop);
	return 0;
}

/* ---- what a program finds ---- */

static void test_what_it_finds(void **state)
{
	struct rlimit raised, before;

	signal(SIGPIPE, SIG_IGN);
	setenv("NOTIFY_SOCKET", "/run/systemd/notify", 1);
	setenv("KEPT", "yes", 1);
	getrlimit(RLIMIT_NOFILE, &before);
	raised = before;
	raised.rlim_cur = raised.rlim_max;
	setrlimit(RLIMIT_NOFILE, &raised);
	assert_string_equal(output_of("cd /proc/self/fd && echo *"), "0 1 2 3"); /* 3: of echo */
	assert_string_equal(output_of("readlink /proc/self/fd/0"), "/dev/null");
	assert_string_equal(output_of("echo $NOTIFY_SOCKET $KEPT"), "yes");
	assert_string_equal(output_of("grep -E '^Sig(Blk|Ign)' /proc/self/status | cut -f2 | uniq"),
			    "0000000000000000");
	assert_string_equal(output_of("ulimit -n"), before.rlim_max < 1024 ? "" : "1024");
	assert_string_equal(
		output_of("set -- $(cut -d' ' -f5 /proc/$$/stat); test $1 = $$ && echo leads"),
		"leads");
	setrlimit(RLIMIT_NOFILE, &before);
}

static void test_how_it_ended(void **state)
{
	struct run r;
	char text[96];

	start(&r, "exit 7");
	wait_for(1);
	close(r.out);
	assert_string_equal(child_end_text(text, sizeof(text), r.status), "exited with status 7");
	start(&r, "kill -TERM $$");
	wait_for(1);
	close(r.out);
	assert_string_equal(child_end_text(text, sizeof(text), r.status),
			    "was killed by signal 15 (Terminated)");
}

/* What its report says in the end. */
static int run_path(const char *path, struct err *err)
{
	struct run r = { .out = -1 };
	char *argv[] = { (char *)"x", NULL };
	int report, rc;
	pid_t pid;

	assert_int_equal(spawn(path, argv, -1, -1, &pid, &report, err), 0);
	child_watch(&children, &r.child, pid, on_exit_of, &r);
	wait_for(1);
	rc = process_was_run(&report, path, err);
	assert_int_equal(report, -1);
	return rc;
}

static void test_what_cannot_run(void **state)
{
	struct err err;

	assert_int_equal(run_path("/no/such/program", &err), -1);
	assert_int_equal(err.code, ERR_CONFIG);
	assert_string_equal(err.msg, "cannot run /no/such/program: No such file or directory");
	assert_int_equal(run_path("/etc/passwd", &err), -1);
	assert_int_equal(err.sys, EACCES);
	assert_int_equal(run_path("/bin/true", &err), 0);
}

/* Whoever has just been started has a group already. */
static void test_signals_reach_one_that_does_not_run_yet(void **state)
{
	struct run r;

	start(&r, "exec sleep 1000");
	assert_int_equal(getpgid(r.child.pid), r.child.pid);
	child_signal(&r.child, SIGKILL);
	wait_for(1);
	assert_true(WIFSIGNALED(r.status));
	close(r.out);
}

/* Ours keeps what it is given beyond the three, and our limits. */
static void test_one_of_ours(void **state)
{
	char *argv[] = { (char *)"sh", (char *)"-c", (char *)"echo line >&3; ulimit -n >&3", NULL };
	struct run r = { .out = -1 };
	int pipe_fds[2], report;
	struct process_plan plan = {
		.path = "/bin/sh", .argv = argv, .fd_count = 4, .is_ours = true
	};
	struct rlimit raised, before;
	char expected[64];
	struct err err;
	pid_t pid;

	getrlimit(RLIMIT_NOFILE, &before);
	raised = before;
	raised.rlim_cur = MIN(raised.rlim_max, 2000);
	setrlimit(RLIMIT_NOFILE, &raised);
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	plan.fds = (int[]){ -1, -1, STDERR_FILENO, pipe_fds[1] };
	assert_int_equal(process_spawn(&plan, &pid, &report, &err), 0);
	close(report);
	close(pipe_fds[1]);
	r.out = pipe_fds[0];
	child_watch(&children, &r.child, pid, on_exit_of, &r);
	wait_for(1);
	snprintf(expected, sizeof(expected), "line\n%lu", (unsigned long)raised.rlim_cur);
	assert_string_equal(output(&r), expected);
	setrlimit(RLIMIT_NOFILE, &before);
}

/* What the environment has already is somebody's will. */
static void test_variable(void **state)
{
	static const struct {
		const char *variable, *before, *expected;
	} cases[] = {
		{ NULL, NULL, "unset kept" },
		{ "TD_GIVEN=new", NULL, "new kept" },
		{ "TD_GIVEN=new", "old", "old kept" },
		{ "TD_GIVEN=new", "", " kept" },
	};

	setenv("TD_GIVEN_TO_US", "kept", 1); /* longer, and no TD_GIVEN */
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct run r;

		if (cases[i].before)
			setenv("TD_GIVEN", cases[i].before, 1);
		else
			unsetenv("TD_GIVEN");
		start_with(&r, "echo \"${TD_GIVEN-unset} $TD_GIVEN_TO_US\"", cases[i].variable);
		wait_for(1);
		assert_string_equal(output(&r), cases[i].expected);
	}
	unsetenv("TD_GIVEN");
	unsetenv("TD_GIVEN_TO_US");
}

static void test_find(void **state)
{
	struct err err;
	char *path;

	setenv("PATH", "/no/such/directory::/bin", 1);
	path = process_find("sh", &err);
	assert_string_equal(path, "/bin/sh");
	free(path);
	path = process_find("./here", &err);
	assert_string_equal(path, "./here");
	free(path);
	assert_null(process_find("no-such\nprogram", &err));
	assert_int_equal(err.code, ERR_CONFIG);
	assert_non_null(strstr(err.msg, "'no-such\\nprogram' in /no/such/directory::/bin"));
	assert_null(process_find("", &err));
}

/* ---- ends ---- */

/* Signals melt into one. */
static void test_many_end_at_once(void **state)
{
	enum { COUNT = 20 };
	struct run runs[COUNT];

	for (size_t i = 0; i < COUNT; i++)
		start(&runs[i], "exec sleep 1000");
	for (size_t i = 0; i < COUNT; i++)
		child_signal(&runs[i].child, SIGKILL);
	wait_for(COUNT);
	for (size_t i = 0; i < COUNT; i++) {
		assert_int_equal(runs[i].ended, 1);
		assert_true(WIFSIGNALED(runs[i].status));
		close(runs[i].out);
		child_signal(&runs[i].child, SIGKILL); /* reaches nobody */
	}
}

static void test_the_rest_of_a_group_ends_with_its_leader(void **state)
{
	struct run r;
	pid_t left;

	start(&r, "sleep 1000 >/dev/null & echo $!");
	wait_for(1);
	left = (pid_t)atoi(output(&r));
	assert_true(left > 1);
	while (kill(left, 0) == 0) /* killed, and collected though nobody watches it */
		real_loop_turns(loop, 1);
	assert_int_equal(errno, ESRCH);
}

static void test_signals_reach_the_group(void **state)
{
	struct run r;
	char ready;

	start(&r,
	      "trap '' USR1; (trap 'echo inner; exit' USR1; echo; while :; do sleep 0.01; done) "
	      "& wait");
	assert_int_equal(read(r.out, &ready, 1), 1);
	child_signal(&r.child, SIGUSR1);
	wait_for(1);
	assert_string_equal(output(&r), "inner");
}

static void test_forgotten_ones_are_collected(void **state)
{
	struct run r;
	pid_t pid;

	start(&r, "exit 0");
	pid = r.child.pid;
	child_forget(&r.child);
	child_forget(&r.child);
	while (kill(pid, 0) == 0)
		real_loop_turns(loop, 1);
	assert_int_equal(r.ended, 0);
	close(r.out);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_what_it_finds),
		CASE(test_how_it_ended),
		CASE(test_what_cannot_run),
		CASE(test_signals_reach_one_that_does_not_run_yet),
		CASE(test_many_end_at_once),
		CASE(test_the_rest_of_a_group_ends_with_its_leader),
		CASE(test_signals_reach_the_group),
		CASE(test_forgotten_ones_are_collected),
		CASE(test_one_of_ours),
		CASE(test_variable),
		CASE(test_find),
	};

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
