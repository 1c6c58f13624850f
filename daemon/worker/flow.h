/* SPDX-License-Identifier: MIT */
/*
 * One direction between two sockets: what the source has sent waits here until it may go on and the
 * destination takes it. A text of our own may go before it. What bounds it is the caller, who reads
 * only as much as it lets wait.
 */
#pragma once

#include "lib/buffer.h"
#include "lib/str.h"

#include <stdbool.h>

#define FLOW_SIZE (64 * 1024) /* bytes on their way in one direction */

struct flow {
	struct buffer text; /* ours; goes first */
	struct buffer bytes; /* the source's */
	size_t cleared; /* of bytes, from the front: may go on */
	bool eof; /* the source has ended; what waits here comes before */
	bool full; /* the destination takes no more just now */
};

/* One recv(2), so that at most limit bytes wait. -1: the source is broken, or no memory. */
int flow_read(struct flow *f, int fd, size_t limit);
/* One sendmsg(2) of what may go on, if there is any. -1: the destination is broken. */
int flow_write(struct flow *f, int fd);
/* Puts a text of ours in and leaves it empty. -1: no memory. */
int flow_add_text(struct flow *f, struct strbuf *text);
bool flow_is_clear(const struct flow *f); /* nothing that may go on is left */
void flow_drop(struct flow *f); /* what may go on goes nowhere */
void flow_fini(struct flow *f);
