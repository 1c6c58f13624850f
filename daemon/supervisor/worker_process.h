/* SPDX-License-Identifier: MIT */
/*
 * Starting the program that carries tunnels. The worker finds its end of
 * the line as descriptor 3; nothing else of ours leaks into it.
 */
#pragma once

#include <sys/types.h>

#include "lib/err.h"

#define WORKER_LINE_FD 3

/* Beside the running tunneld (the build tree), else where it was installed. TUNNELD_WORKER in the
 * environment names another program: tests put one there that speaks the protocol and no SSH. The
 * caller frees; NULL: out of memory. */
char *worker_process_find(void);

/* ret_fd: our end of the line, non-blocking. */
int worker_process_spawn(const char *program, pid_t *ret_pid, int *ret_fd, struct err *err);
