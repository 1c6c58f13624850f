/* SPDX-License-Identifier: MIT */
/*
 * What the supervisor says to a worker: a table of messages, and what is done with its tunnels at each. The
 * other direction is report.h.
 */
#pragma once

#include "daemon/worker/parts.h"

struct orders {
	const struct worker_parts *parts;
	struct list *tunnels; /* worker.tunnels */
	void (*on_shutdown)(void *data);
	void *data;
	struct wire_connections found; /* for an answer */
};

/* Descriptors that are kept are taken out of fds (-1). What cannot be done is logged: nobody waits. */
void orders_take(struct orders *o, const char *type, json_t *message, int *fds, size_t fd_count);
