/* SPDX-License-Identifier: MIT */
/*
 * Starting programs that are not ours (a proxy_command, ssh): each leads a process group of its
 * own, with signals, environment and limits as if tunneld had never touched them, three descriptors
 * and nothing else of ours. It is killed when the supervisor is.
 */
#pragma once

#include <sys/types.h>

#include "lib/err.h"

/* Where the program is that a shell would run: name itself when it has a '/', else what PATH has.
 * The caller frees; NULL with err. */
char *process_find(const char *name, struct err *err);

/* Our environment without what the service manager gave to us alone. The strings are borrowed, the
 * caller frees the array; NULL: out of memory. */
char **process_environment(void);

/* fds become stdin, stdout and stderr and stay the caller's; -1 is /dev/null. argv[0] is what the
 * program is told it is called. Nobody waits until it runs: why it could not is in *ret_report, once
 * the process has ended. */
int process_spawn(const char *path, char *const *argv, const int fds[3], pid_t *ret_pid,
		  int *ret_report, struct err *err);
/* Of a process that has ended: -1 with err when path could not be run at all. Closes the report. */
int process_was_run(int *report, const char *path, struct err *err);
