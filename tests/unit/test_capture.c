/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/capture.h"
#include "lib/util.h"

static const struct capture_limits limits = {
	.time_ms = 60000, .all_ms = 60000, .bytes_max = 100000, .at_once = 1
};

static int run_words(const char *const *words, const struct capture_limits *within,
		     struct capture *ret, struct err *err)
{
	struct capture_job job = { .argv = words };

	capture_run(&job, 1, within);
	*ret = job.said;
	*err = job.err;
	return job.rc;
}

static int run_shell(const char *script, const struct capture_limits *within, struct capture *ret,
		     struct err *err)
{
	const char *const words[] = { "sh", "-c", script, NULL };

	return run_words(words, within, ret, err);
}

static void test_output(void **state)
{
	struct capture said;
	struct err err;

	assert_int_equal(
		run_shell("echo out; echo complaint >&2; cat; exit 7", &limits, &said, &err), 0);
	assert_string_equal(said.out, "out\n");
	assert_int_equal(said.out_length, 4);
	assert_string_equal(said.complaint, "complaint\n");
	assert_true(WIFEXITED(said.wait_status));
	assert_int_equal(WEXITSTATUS(said.wait_status), 7);
	capture_fini(&said);
}

static void test_large(void **state)
{
	struct capture said;
	struct err err;

	assert_int_equal(run_shell("head -c 100000 /dev/zero; head -c 100000 /dev/zero >&2",
				   &limits, &said, &err),
			 0);
	assert_int_equal(said.out_length, 100000);
	capture_fini(&said);
	assert_int_equal(run_shell("head -c 100001 /dev/zero", &limits, &said, &err), -1);
	assert_int_equal(err.code, ERR_LIMIT);
	assert_null(said.out);
	assert_int_equal(run_shell("yes", &limits, &said, &err), -1);
	assert_int_equal(err.code, ERR_LIMIT);
}

static void test_missing(void **state)
{
	const char *const words[] = { "/nonexistent/program", NULL };
	struct capture said;
	struct err err;

	assert_int_equal(run_words(words, &limits, &said, &err), -1);
	assert_int_equal(err.code, ERR_IO);
	assert_int_equal(err.sys, ENOENT);
}

/* Whoever takes too long is ended with what it started: the grandchild holds a pipe of ours. */
static void test_too_long(void **state)
{
	const struct capture_limits short_time = { .time_ms = 50,
						   .all_ms = 60000,
						   .bytes_max = 100 };
	struct capture said;
	struct err err;
	char script[128], byte;
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	snprintf(script, sizeof(script), "sleep 1000 >&%d & sleep 1000", ends[1]);
	assert_int_equal(run_shell(script, &short_time, &said, &err), -1);
	assert_int_equal(err.code, ERR_TIMEOUT);
	close(ends[1]);
	assert_int_equal(read(ends[0], &byte, 1), 0);
	close(ends[0]);
}

/* What stays in the background is not waited for, though it has our pipes open. */
static void test_left_behind(void **state)
{
	struct capture said;
	struct err err;

	assert_int_equal(run_shell("sleep 1000 & echo $!", &limits, &said, &err), 0);
	assert_int_equal(kill((pid_t)atoi(said.out), SIGKILL), 0);
	capture_fini(&said);
}

/* ---- several ---- */

enum { MANY = 20 };

/* The results stand where they were asked for, though they end in another order. */
static void test_many(void **state)
{
	const struct capture_limits few = {
		.time_ms = 60000, .all_ms = 60000, .bytes_max = 100, .at_once = 4
	};
	char scripts[MANY][64];
	const char *words[MANY][4];
	struct capture_job jobs[MANY] = { 0 };

	for (int i = 0; i < MANY; i++) {
		snprintf(scripts[i], sizeof(scripts[i]), i % 3 ? "echo %d; exit %d" : "kill -9 $$",
			 i, i);
		memcpy(words[i], ((const char *[]){ "sh", "-c", scripts[i], NULL }),
		       sizeof(words[i]));
		jobs[i].argv = words[i];
	}
	capture_run(jobs, MANY, &few);
	for (int i = 0; i < MANY; i++) {
		assert_int_equal(jobs[i].rc, 0);
		assert_int_equal(WIFSIGNALED(jobs[i].said.wait_status), i % 3 == 0);
		if (i % 3) {
			assert_int_equal(atoi(jobs[i].said.out), i);
			assert_int_equal(WEXITSTATUS(jobs[i].said.wait_status), i);
		}
		capture_fini(&jobs[i].said);
	}
}

/* Each waits for the other, which only ends when so many run at a time. */
static void test_at_once(void **state)
{
	const struct capture_limits two = {
		.time_ms = 60000, .all_ms = 60000, .bytes_max = 100, .at_once = 2
	};
	char directory[] = "/tmp/capture-XXXXXX";
	const char *first[] = { "sh", "-c", "echo x >ping; cat pong", NULL };
	const char *second[] = { "sh", "-c", "cat ping; echo y >pong", NULL };
	struct capture_job jobs[] = { { .argv = first }, { .argv = second } };

	assert_non_null(mkdtemp(directory));
	assert_int_equal(chdir(directory), 0);
	assert_int_equal(mkfifo("ping", 0600) | mkfifo("pong", 0600), 0);
	capture_run(jobs, ARRAY_SIZE(jobs), &two);
	assert_string_equal(jobs[0].said.out, "y\n");
	assert_string_equal(jobs[1].said.out, "x\n");
	for (size_t i = 0; i < ARRAY_SIZE(jobs); i++)
		capture_fini(&jobs[i].said);
	unlink("ping");
	unlink("pong");
	rmdir(directory);
}

/* Those whose turn does not come any more are told so. */
static void test_time_for_all(void **state)
{
	const struct capture_limits short_time = {
		.time_ms = 60000, .all_ms = 50, .bytes_max = 100, .at_once = 1
	};
	const char *words[] = { "sleep", "1000", NULL };
	struct capture_job jobs[] = { { .argv = words }, { .argv = words } };

	capture_run(jobs, ARRAY_SIZE(jobs), &short_time);
	for (size_t i = 0; i < ARRAY_SIZE(jobs); i++) {
		assert_int_equal(jobs[i].rc, -1);
		assert_int_equal(jobs[i].err.code, ERR_TIMEOUT);
		assert_int_equal(jobs[i].err.sys, ETIME);
	}
}

/* ---- on a leash ---- */

/* The grandchild holds a pipe of ours; the program itself lets go of the leash by what it says. */
static void test_leash(void **state)
{
	struct capture_limits bound = limits;
	struct capture said;
	struct err err;
	char script[128], byte;
	int ends[2], leash[2];

	assert_int_equal(pipe(ends), 0);
	assert_int_equal(pipe(leash), 0);
	bound.has_leash = true;
	bound.leash_fd = leash[0];
	snprintf(script, sizeof(script), "sleep 1000 >&%d & echo x >&%d; wait", ends[1], leash[1]);
	assert_int_equal(run_shell(script, &bound, &said, &err), -1);
	assert_int_equal(err.code, ERR_IO);
	close(ends[1]);
	assert_int_equal(read(ends[0], &byte, 1), 0);
	/* Nothing is started any more, be it cut or closed. */
	assert_int_equal(run_shell("exit 0", &bound, &said, &err), -1);
	close(leash[0]);
	close(leash[1]);
	assert_int_equal(run_shell("exit 0", &bound, &said, &err), -1);
	close(ends[0]);
}

/* Whoever is killed cannot end anything; what it runs ends all the same. */
static void test_death(void **state)
{
	struct capture said;
	struct err err;
	char text[64], byte;
	int ends[2], status;
	pid_t pid;

	assert_int_equal(pipe(ends), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		snprintf(text, sizeof(text), "echo x >&%d; exec sleep 1000", ends[1]);
		run_shell(text, &limits, &said, &err);
		_exit(0);
	}
	close(ends[1]);
	assert_int_equal(read(ends[0], &byte, 1), 1);
	assert_int_equal(read(ends[0], &byte, 1), 1); /* the end of its line */
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(read(ends[0], &byte, 1), 0);
	close(ends[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_output),      cmocka_unit_test(test_large),
		cmocka_unit_test(test_missing),     cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_left_behind), cmocka_unit_test(test_many),
		cmocka_unit_test(test_at_once),     cmocka_unit_test(test_time_for_all),
		cmocka_unit_test(test_leash),       cmocka_unit_test(test_death),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
