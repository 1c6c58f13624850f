/* SPDX-License-Identifier: MIT */
/*
 * Two sockets joined: what comes out of one goes into the other, each direction with an end of file
 * and a back-pressure of its own, and at most 64 KiB on their way in each. For what does not pass
 * through a channel here; relay.h is for what does.
 */
#pragma once

#include "daemon/common/loop.h"

struct pump;

struct pump_ops {
	/* Both directions have ended, or one of the sockets broke (reset); what came from one that only
	 * takes nothing any more is passed on before. It is freed after the turn. */
	void (*on_end)(void *data, bool reset);
};

/* Takes both sockets (connected, non-blocking) and early (malloced, may be NULL: what a has sent
 * already), also on failure. active_ms is the owner's: CLOCK_MONOTONIC of when something passed. */
struct pump *pump_new(struct loop *loop, int a, int b, char *early, size_t early_size,
		      uint64_t *active_ms, const struct pump_ops *ops, void *data, struct err *err);
/* Whoever is at a has gone: what he has sent is passed on, and that is the end. May call on_end. */
void pump_leave(struct pump *p);
/* Of one that has gone something is left, and for RELAY_STUCK_MS the other side has taken none of it. */
bool pump_is_stuck(const struct pump *p);
void pump_free(struct pump *p, bool reset); /* on_end is not called; NULL is fine */
