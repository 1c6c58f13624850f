/* SPDX-License-Identifier: MIT */
/*
 * One channel that follows a script instead of a server. It keeps what libssh would keep: bytes
 * nobody took, what was written, which ends were said.
 */
#pragma once

#include "daemon/worker/channel_pipe.h"
#include "lib/str.h"

struct channel_pipe {
	const struct channel_pipe_ops *ops; /* NULL: released */
	void *data;
	size_t room; /* shrinks with every write */
	bool waits; /* was told that it has to, since it was served last */
	size_t takes; /* how much of a write is taken, at most */
	bool writes_fail, take_fails;
	struct strbuf written; /* what the server got */
	struct strbuf held; /* what libssh holds */
	bool eof_sent, eof, closed, broken;
};

extern struct channel_pipe channel; /* the only one; set its fields to steer it */

void fake_channel_open(void); /* the server has agreed */
void fake_channel_fini(void);

void serve(void); /* the session's service pass reaches the channel, when it is still held */
/* The server opens its window: the service pass reaches only who waits for that. */
void widen(size_t room);
/* Bytes arrive: libssh offers all it holds. Returns how many the holder took. */
size_t arrive(const char *bytes, size_t size);
void arrive_text(const char *text); /* and the service pass that follows */
void lose_session(void);
