/* SPDX-License-Identifier: MIT */
/*
 * Is the server still there? Judged by what was heard from it, not by what could be written: after
 * `interval` of silence it is asked, and when nothing at all arrived for `interval * count`,
 * although it was asked, it is dead. The time an answer takes is the round-trip time that lists
 * show.
 */
#pragma once

#include "daemon/worker/session.h"

struct keepalive_ops {
	void (*on_ask)(void *data); /* after a silence; NULL is fine */
	void (*on_rtt)(void *data, unsigned rtt_us); /* a probe was answered */
	/* Not yet: somebody before it is being asked, whose verdict may explain the silence. NULL is
	 * fine. */
	bool (*may_wait)(void *data);
	void (*on_dead)(void *data, unsigned silence_ms);
};

struct keepalive {
	struct session *session;
	const struct keepalive_ops *ops;
	void *data;
	unsigned interval_ms, count;
	struct loop_timer timer;
	struct loop *loop;
	struct session_request request;
	bool asking;
	uint64_t asked_ms;
};

/* Asks once right away: the first answer proves that the session works. interval_ms 0: that is all.
 */
int keepalive_open(struct keepalive *k, struct loop *loop, struct session *s, unsigned interval_ms,
		   unsigned count, const struct keepalive_ops *ops, void *data);
void keepalive_set(struct keepalive *k, unsigned interval_ms, unsigned count);
/* Now, without waiting for silence; nothing when a question is under way. */
void keepalive_ask(struct keepalive *k);
void keepalive_close(struct keepalive *k); /* before its session */
