/* SPDX-License-Identifier: MIT */
/*
 * A local forward (ssh -L): the worker's end of listening sockets the supervisor owns. Connections
 * are accepted only while a session can carry them; otherwise they wait in the kernel's backlog,
 * for `hold` at most, and are reset when that was in vain. A session that comes back serves them
 * all, and even the death of this process refuses nobody.
 */
#pragma once

#include "daemon/worker/parts.h"

struct forward;
struct session;

struct forward_ops {
	void (*on_change)(void *data, struct forward *f); /* state or error changed */
	void (*on_waiting)(void *data,
			   struct forward *f); /* a client waits and nobody can serve it */
};

/* Takes what spec holds, also on failure. It starts without sockets, and holds. */
struct forward *forward_new(const struct worker_parts *parts, uint64_t id,
			    struct config_forward *spec, unsigned hold_ms,
			    const struct forward_ops *ops, void *data, struct err *err);
/* Ends its connections as well. */
void forward_free(struct forward *f);
/* Closes its sockets; it frees itself when its last connection has ended. */
void forward_retire(struct forward *f);

/* Replaces the listening sockets; takes the descriptors (sets them to -1). error: why there are
 * none, or NULL. -1: out of memory. */
int forward_set_sockets(struct forward *f, int *fds, size_t count, const struct err *error);
void forward_set_hold(struct forward *f, unsigned hold_ms);

void forward_serve(struct forward *f, struct session *s); /* connections go through s */
void forward_hold(struct forward *f); /* no session at the moment */
void forward_refuse(struct forward *f); /* none will come by itself: reset at once */
/* Ends its connections: orderly, or with a reset because the session broke. */
void forward_end_connections(struct forward *f, bool reset);

uint64_t forward_id(const struct forward *f);
bool forward_is_waiting(const struct forward *f); /* asks the kernel as well */
enum forward_state forward_state(const struct forward *f);
const struct err *forward_error(const struct forward *f); /* code ERR_NONE: none */
const struct wire_counters *forward_counters(const struct forward *f);

struct list *forward_link(struct forward *f); /* for the tunnel's list */
struct forward *forward_from_link(struct list *link);
