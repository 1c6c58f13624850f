/* SPDX-License-Identifier: MIT */
/*
 * Notices that the network may be another one now: an address or a default route appeared
 * (rtnetlink), or the machine woke from suspend. Then it is pointless to sit out a wait that was
 * chosen for the old network. Nothing is polled; bursts are told once.
 */
#pragma once

#include "daemon/common/loop.h"

struct network {
	struct loop_io route_io, clock_io;
	struct loop_timer burst;
	int route_fd, clock_fd;
	int64_t asleep_ms; /* time spent in suspend so far */
	void (*on_change)(void *data);
	void *data;
};

/* What this kernel or sandbox does not offer is logged and done without. -1: out of memory. */
int network_open(struct network *n, struct loop *loop, void (*on_change)(void *data), void *data);
void network_close(struct network *n); /* {0} is fine */
