/* SPDX-License-Identifier: MIT */
/*
 * What a program writes to its stderr, line by line and fit to be shown. A line is cut, of many lines
 * in a short time the rest is counted, and a program that writes without end is read no faster than
 * it may be: it has to wait, not we.
 */
#pragma once

#include "daemon/common/loop.h"

enum {
	LINES_TEXT_MAX = 256, /* bytes of a line as it is shown */
	LINES_PERIOD_MS = 10000,
	LINES_PER_PERIOD = 50, /* shown */
	LINES_BYTES_PER_PERIOD = 256 * 1024, /* read */
};

struct lines {
	struct loop *loop; /* NULL: closed */
	int fd;
	struct loop_io io;
	struct loop_timer pause; /* until the next period */
	char line[LINES_TEXT_MAX]; /* as far as it has come */
	size_t used;
	char last[LINES_TEXT_MAX]; /* the last one that was not empty, as it is shown */
	uint64_t period_ms; /* when it began */
	unsigned told, left_out;
	size_t bytes;
	void (*on_line)(void *data, const char *text); /* must not close */
	void *data;
};

/* Takes fd over on success: the end of a pipe, made non-blocking. -1: no memory. */
int lines_open(struct lines *l, struct loop *loop, int fd,
	       void (*on_line)(void *data, const char *text), void *data);
/* The program has ended: reads what is still there, as far as a period allows. */
void lines_finish(struct lines *l);
void lines_close(struct lines *l); /* {0} and closed ones are fine */
