/* SPDX-License-Identifier: MIT */
/*
 * A program that runs for somebody: standard input and output are one end of a socket pair, what it
 * writes to stderr is told line by line. It is ended with its process group, politely at first, and is
 * over only when nothing of it is left.
 */
#pragma once

#include "daemon/supervisor/children.h"
#include "daemon/supervisor/lines.h"
#include "lib/util.h"

enum { PROGRAM_GRACE_MS = 2000 }; /* between TERM and KILL */

struct program_ops {
	void (*on_line)(void *data, const char *text); /* of stderr; must not free */
	/* It has ended, by itself or not; last is what it said last, "" if nothing. Once. not_run: why it
	 * never began; NULL: it did. */
	void (*on_end)(void *data, int wait_status, const char *last, const struct err *not_run);
};

/* Embedded; {0} is none. */
struct program {
	struct loop *loop; /* NULL: not running */
	const struct program_ops *ops;
	void *data;
	struct child child;
	char *path;
	int report; /* of process_spawn() */
	struct lines lines;
	struct loop_timer grace; /* set after TERM */
};

/* Finds words->items[0] as a shell would and runs it. *ret_fd is the caller's end of the socket pair,
 * non-blocking; *ret_its a duplicate of the program's, which keeps the caller's end from seeing its
 * end before it is closed as well. -1 with err. Whether it can be run is known when it has ended. */
int program_start(struct program *p, struct loop *loop, struct children *children,
		  const struct strv *words, const struct program_ops *ops, void *data, int *ret_fd,
		  int *ret_its, struct err *err);
bool program_is_running(const struct program *p);
/* TERM now and KILL after PROGRAM_GRACE_MS; on_end follows. */
void program_stop(struct program *p);
/* KILL now, and on_end is not called. */
void program_kill(struct program *p);
