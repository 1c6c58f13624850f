/* SPDX-License-Identifier: MIT */
/*
 * Brings the workers and the listening sockets in line with what is wanted. Whoever changes a
 * tunnel says so here (sync_tunnel); the tunnel then stands in a queue which is worked off in
 * slices of a few milliseconds, so that a thousand changes at once never keep the loop from
 * listening.
 *
 * All settings and forwards go out before the first start. What a worker was told and is to forget
 * is a departure: it waits for the worker's acknowledgement, and the listening sockets with it.
 */
#pragma once

#include "daemon/common/loop.h"
#include "daemon/supervisor/departures.h"
#include "daemon/supervisor/listening.h"
#include "daemon/supervisor/tunnels.h"
#include "daemon/supervisor/workers.h"

struct sync {
	struct tunnels *tunnels;
	struct workers *workers;
	struct listen_service *listen;
	struct list todo; /* tunnel.todo_link */
	struct list starts; /* tunnel.start_link: all is told but "start" */
	struct departures departures;
	const char *unread; /* config.unread of the running configuration */
	struct loop_defer slice;
	/* Called from the loop each time there is nothing left to do and no listener is pending. */
	void (*on_settled)(void *data);
	void *data;
};

/* workers and listen may be set up after this, but before the loop runs. */
void sync_init(struct sync *s, struct loop *loop, struct tunnels *tunnels,
	       struct listen_service *listen, void (*on_settled)(void *data), void *data);
void sync_fini(struct sync *s);

/* listen_service.on_change: owner is a struct forward. */
void sync_on_listening(struct sync *s, struct forward *f);

/* Something that is wanted of t has changed. */
void sync_tunnel(struct sync *s, struct tunnel *t);
/* Runs, or runs no more. Starting what runs ends a wait. */
void sync_want(struct sync *s, struct tunnel *t, bool wanted);
void sync_restart(struct sync *s, struct tunnel *t);
/* The worker forgets f; it may be freed, or opened again with forward_renew(). */
void sync_give_up(struct sync *s, struct forward *f);
/* Gives everything up and removes t from the registry. */
void sync_remove(struct sync *s, struct tunnel *t);

/* on_settled will be called soon, even if there is nothing to do. */
void sync_nudge(struct sync *s);
/* Nothing is left to tell, and nothing told that a worker has yet to acknowledge. */
bool sync_is_in_force(const struct sync *s);

/* What workers.c reports. */
void sync_on_worker_ready(struct sync *s, struct worker *w);
void sync_on_worker_dead(struct sync *s, struct worker *w, const struct err *why);
/* forward 0: the whole tunnel. */
void sync_on_removed(struct sync *s, const struct worker *w, uint64_t tunnel, uint64_t forward);
