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
#include <sys/wait.h>
#include <unistd.h>

#include "lib/capture.h"
#include "lib/util.h"

static const struct capture_limits limits = { .time_ms = 60000, .bytes_max = 100000 };

static int run_shell(const char *script, const struct capture_limits *within, struct capture *ret,
		     struct err *err)
{
	const char *const words[] = { "sh", "-c", script, NULL };

	return capture_run(words, within, ret, err);
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

	assert_int_equal(capture_run(words, &limits, &said, &err), -1);
	assert_int_equal(err.code, ERR_IO);
	assert_int_equal(err.sys, ENOENT);
}

/* Whoever takes too long is ended with what it started: the grandchild holds a pipe of ours. */
static void test_too_long(void **state)
{
	const struct capture_limits short_time = { .time_ms = 50, .bytes_max = 100 };
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_output),      cmocka_unit_test(test_large),
		cmocka_unit_test(test_missing),     cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_left_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
