/* SPDX-License-Identifier: MIT */
/*
 * The way through a jump to the next server: a channel of the jump's session whose near end is a
 * descriptor, so that the next session stands on it as it would on a TCP connection. The bytes are
 * carried by a relay, with its back-pressure both ways. It keeps the jump, and ends by itself when the
 * descriptor is closed and the last words are passed on.
 */
#pragma once

#include "daemon/worker/jumps.h"

struct passage;

struct passage_ops {
	void (*on_open)(void *data, int fd); /* connected, non-blocking; the receiver's */
	void (*on_failed)(void *data, const struct err *err); /* it is over */
};

/* through: a jump that is up. One of ops is called, later, once. */
struct passage *passage_new(const struct worker_parts *parts, const struct jump_user *through,
			    const char *host, unsigned port, const struct passage_ops *ops,
			    void *data, struct err *err);
/* Nobody wants to hear of it any more, and its descriptor is closed or about to be. NULL is fine. */
void passage_release(struct passage *p);
