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
 * program is told it is called. */
int process_spawn(const char *path, char *const *argv, const int fds[3], pid_t *ret_pid,
		  struct err *err);
