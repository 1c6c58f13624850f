/* SPDX-License-Identifier: MIT */
/*
 * Every process we started, and the one place that collects them when they have ended. Each leads a
 * process group of its own, and what is left of the group ends with its leader: while the leader
 * has not been collected its number is nobody else's, so the group is reached without a race.
 */
#pragma once

#include <sys/types.h>

#include "daemon/common/loop.h"

/* Embedded in whoever started it; {0} is none. */
struct child {
	struct list link; /* children.all */
	pid_t pid; /* 0: it is not watched, or has been collected */
	void (*on_exit)(void *data, int wait_status); /* once, from the loop */
	void *data;
};

struct children {
	struct list all; /* struct child */
	struct loop_signal sigchld;
};

int children_init(struct children *cs, struct loop *loop); /* -1: no memory */
void children_fini(struct children *cs);

/* To be called in the turn in which the process was started: SIGCHLD comes with a later one. */
void child_watch(struct children *cs, struct child *c, pid_t pid,
		 void (*on_exit)(void *data, int wait_status), void *data);
/* To the whole group; nothing when it has been collected. */
void child_signal(const struct child *c, int signo);
/* Nobody wants to hear of its end any more; it is collected all the same. */
void child_forget(struct child *c);

/* "was killed by signal 9 (Killed)", "exited with status 3"; returns out. */
char *child_end_text(char *out, size_t size, int wait_status);
