/* SPDX-License-Identifier: MIT */
/*
 * Starting programs: workers, and some that are not ours (a proxy_command). Each leads a process group
 * of its own, so that Ctrl-C in a terminal is for the supervisor alone, with signals and environment as
 * if tunneld had never touched them, a few descriptors and nothing else of ours. One that is not ours
 * also has the usual limits, and is killed when the supervisor is.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "lib/err.h"

/* Where the program is that a shell would run: name itself when it has a '/', else what PATH has.
 * The caller frees; NULL with err. */
char *process_find(const char *name, struct err *err);

struct process_plan {
	const char *path;
	char *const *argv; /* [0] is what the program is told it is called */
	const int *fds; /* become 0, 1, 2 and so on, and stay the caller's; -1 is /dev/null */
	size_t fd_count; /* at least 3 */
	const char *variable; /* NAME=value, unless we have a NAME ourselves; NULL: none */
	bool is_ours; /* keeps our limits, and sees for itself that we are gone */
};

/* Nobody waits until it runs: why it could not is in *ret_report, once the process has ended. */
int process_spawn(const struct process_plan *plan, pid_t *ret_pid, int *ret_report,
		  struct err *err);
/* Of a process that has ended: -1 with err when path could not be run at all. Closes the report. */
int process_was_run(int *report, const char *path, struct err *err);
