/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/common/descriptors.h"
#include "lib/util.h"

/* What the kernel has room for in the table of this process. */
static unsigned room(void)
{
	FILE *status = fopen("/proc/self/status", "r");
	char line[256];
	unsigned size = 0;

	assert_non_null(status);
	while (size == 0 && fgets(line, sizeof(line), status))
		if (sscanf(line, "FDSize: %u", &size) != 1)
			size = 0;
	fclose(status);
	return size;
}

static unsigned next_number(void)
{
	int fd = dup(STDERR_FILENO);

	assert_true(fd >= 0);
	close(fd);
	return (unsigned)fd;
}

/* Each in a process of its own, because a table never shrinks. */
static void in_a_child(rlim_t limit_of_files)
{
	struct rlimit limit;
	int status;
	pid_t pid;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit_of_files = MIN(limit_of_files, limit.rlim_max);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		unsigned before = next_number();

		limit.rlim_cur = limit_of_files;
		if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
			_exit(1);
		descriptors_make_room();
		if (next_number() != before)
			_exit(2);
		_exit(room() >= MIN(limit_of_files, (rlim_t)DESCRIPTORS_ROOM) ? 0 : 3);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_there_is_room(void **state)
{
	in_a_child((rlim_t)DESCRIPTORS_ROOM * 2);
	in_a_child(1000);
	in_a_child(32);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_is_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
