/* SPDX-License-Identifier: MIT */
/*
 * Runs a program and keeps what it says. It blocks, but never longer and never for more than it was
 * told to: who takes too long or says too much is killed, with everything it started in its process
 * group. For threads, and for programs without a loop.
 */
#pragma once

#include <stddef.h>

#include "lib/err.h"

struct capture_limits {
	unsigned time_ms;
	size_t bytes_max; /* of standard output; of standard error the first kilobytes are kept */
};

struct capture {
	char *out; /* NUL-terminated */
	size_t out_length;
	char *complaint; /* standard error, NUL-terminated */
	int wait_status;
};

/* argv[0] is looked for in PATH; standard input is empty. -1: it did not run to its end: ERR_TIMEOUT,
 * ERR_LIMIT, or ERR_IO with err->sys (ENOENT: there is no such program). */
int capture_run(const char *const *argv, const struct capture_limits *limits, struct capture *ret,
		struct err *err);
void capture_fini(struct capture *capture);

/* What capture_run() is, for those who must not run programs by themselves. */
typedef int capture_fn(const char *const *argv, const struct capture_limits *limits,
		       struct capture *ret, struct err *err);
