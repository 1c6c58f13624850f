/* SPDX-License-Identifier: MIT */
/*
 * Runs programs, a few at a time, and keeps what they say. It blocks, but never longer and never for more
 * than it was told to: who takes too long or says too much is killed, with everything it started in its
 * process group; should our process be killed, it alone is. For threads, and for programs without a loop.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lib/err.h"

enum { CAPTURE_AT_ONCE_MAX = 8 };

struct capture_limits {
	unsigned time_ms; /* of one program */
	unsigned all_ms; /* of all together */
	unsigned at_once;
	size_t bytes_max; /* of standard output; of standard error the first kilobytes are kept */
	/* When this descriptor can be read, or its other end is closed, nothing may run any more: what runs
	 * is killed. A duplicate is open until then. */
	bool has_leash;
	int leash_fd;
};

struct capture {
	char *out; /* NUL-terminated */
	size_t out_length;
	char *complaint; /* standard error, NUL-terminated */
	int wait_status;
};

/* argv[0] is looked for in PATH; standard input is empty. rc -1: it did not run to its end: ERR_TIMEOUT
 * (err.sys ETIME: there was no time left for all together), ERR_LIMIT, or ERR_IO with err.sys (ENOENT:
 * there is no such program). */
struct capture_job {
	const char *const *argv;
	int rc;
	struct capture said; /* the caller's to free where rc is 0 */
	struct err err;
};

/* Returns when all have ended. They begin in their order. */
void capture_run(struct capture_job *jobs, size_t count, const struct capture_limits *limits);
void capture_fini(struct capture *capture);

/* What capture_run() is, for those who must not run programs by themselves. */
typedef void capture_fn(struct capture_job *jobs, size_t count,
			const struct capture_limits *limits);
