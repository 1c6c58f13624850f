/* SPDX-License-Identifier: MIT */
/*
 * The file of a Unix socket may be removed by anybody who has the directory, and then nobody can connect any
 * more although the socket lives. So each is looked at every two seconds, a few at a time.
 */
#pragma once

#include "daemon/common/loop.h"
#include "daemon/supervisor/unix_socket.h"
#include "lib/list.h"

/* One file; embedded in whoever has its socket. */
struct unix_watched {
	struct list link; /* unix_watch.files */
	const char *path; /* borrowed, as file is */
	const struct unix_file *file;
	uint64_t looked_ms; /* at it */
};

struct unix_watch {
	struct list files; /* the next to be looked at first */
	struct loop_timer look; /* set while there are any */
	/* It is not watched any more, and may be added again. */
	void (*on_lost)(struct unix_watched *w);
};

/* -1: no memory. */
int unix_watch_open(struct unix_watch *u, struct loop *loop,
		    void (*on_lost)(struct unix_watched *w));
void unix_watch_close(struct unix_watch *u);

void unix_watched_init(struct unix_watched *w);
void unix_watch_add(struct unix_watch *u, struct unix_watched *w, const char *path,
		    const struct unix_file *file);
void unix_watch_remove(struct unix_watched *w); /* idempotent */
