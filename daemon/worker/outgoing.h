/* SPDX-License-Identifier: MIT */
/*
 * A connection that we make for a client on the other side: to host:port, or to a Unix socket of
 * this machine. Names are resolved off the loop, all addresses are tried.
 */
#pragma once

#include "daemon/worker/dial.h"
#include "daemon/worker/parts.h"

struct outgoing_ops {
	void (*on_connected)(void *data, int fd); /* the receiver's: connected, non-blocking */
	void (*on_failed)(void *data, const struct err *err); /* names the target */
};

/* Embedded; {0} is one that was never started. */
struct outgoing {
	const struct worker_parts *parts;
	const struct outgoing_ops *ops;
	void *data;
	char *host; /* or the path of a Unix socket */
	uint16_t port; /* 0: host is a path */
	struct resolve_request lookup;
	struct dial *dial;
	struct loop_defer unix_connect;
};

/* Neither of ops is called from within. -1: out of memory. */
int outgoing_start(struct outgoing *o, const struct worker_parts *parts, const char *host,
		   uint16_t port, const struct outgoing_ops *ops, void *data, struct err *err);
void outgoing_stop(struct outgoing *o); /* also from its callbacks, and more than once */
