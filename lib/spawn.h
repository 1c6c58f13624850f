/* SPDX-License-Identifier: MIT */
/*
 * Starts a program that does not outlive us: it is killed when the thread that has started it ends, and
 * so when our process does, however that came about. It leads a process group of its own, so that whoever
 * ends it in time can end what it has started as well. Blocks until it runs.
 */
#pragma once

#include <sys/types.h>

/* argv[0] is looked for in PATH; standard input is empty; signals are as after a login. out and complaint
 * must be above the standard descriptors. 0 or an errno (ENOENT: there is no such program). */
int spawn(const char *const *argv, int out, int complaint, pid_t *ret_pid);
