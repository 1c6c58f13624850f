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

struct worker_process {
	pid_t pid;
	int line; /* our end, non-blocking */
	int report; /* for process_was_run() */
};

int worker_process_spawn(const char *program, struct worker_process *ret, struct err *err);
