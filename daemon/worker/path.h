/* SPDX-License-Identifier: MIT */
/*
 * One of a tunnel's routes on foot: the jumps, which it may share with others, and behind them the
 * server. A tunnel has one path that it uses or tries, and a second one while it looks whether a
 * better server works again. What is heard of the jumps and the server comes out here as one thing.
 */
#pragma once

#include "daemon/worker/hop.h"
#include "daemon/worker/jumps.h"
#include "lib/config.h"

struct path;

struct path_ops {
	void (*on_start)(void *data, struct path *p); /* somebody is knocked at now */
	void (*on_change)(void *data,
			  struct path *p); /* a jump or the server is in another state */
	void (*on_up)(void *data, struct path *p); /* there is a session, path_session() */
	void (*on_rtt)(void *data, struct path *p);
	/* There is none, or no longer; the message names the server, and the hop where there are
	 * several. To be followed by path_stop() or path_free(). */
	void (*on_lost)(void *data, struct path *p, const struct err *why);
};

struct path {
	const struct worker_parts *parts;
	const struct path_ops *ops;
	void *data;
	uint64_t tunnel; /* on the wire */
	const struct config_route *route; /* borrowed */
	size_t index; /* of the tunnel's routes */
	struct upkeep_settings upkeep; /* of the server */
	bool urgent; /* a client waits */
	bool started;
	struct jump_user jump; /* the last one before the server; .jump NULL: none at the moment */
	struct hop server;
	size_t failed_hop; /* of the route, after on_lost */
	bool lacks_key; /* the same: another key in its agent might be all that it takes */
	struct loop_grave grave;
};

/* NULL: out of memory. */
struct path *path_new(const struct worker_parts *parts, uint64_t tunnel, const struct path_ops *ops,
		      void *data);
void path_free(struct path *p); /* NULL is fine; may be called from its callbacks */

/* Which route it is; it must not be started. */
void path_choose(struct path *p, const struct config_route *route, size_t index);
/* Sets out. on_lost may be called from within. */
void path_start(struct path *p, const struct upkeep_settings *upkeep, enum jump_haste haste);
/* Ends the attempt or the session. The jumps stay: what is tried again soon has them already. */
void path_stop(struct path *p);
void path_leave_jumps(struct path *p);
/* Hands the session over, with all its duties; then path_stop(). */
struct session *path_take_session(struct path *p);
/* The same route stands in other settings now. */
void path_rename(struct path *p, const struct config_route *route, size_t index);

void path_set_upkeep(struct path *p, const struct upkeep_settings *upkeep);
void path_hurry(struct path *p); /* a client waits */
void path_ask(struct path *p); /* for a sign of life */

struct session *path_session(const struct path *p); /* NULL: none that is up */
enum hop_state path_state(const struct path *p); /* of the server */
/* The states of the jumps, and how many there are. error: why the tunnel waits, or ERR_NONE. */
size_t path_describe_jumps(const struct path *p, const struct err *error, struct wire_hop *ret);
/* Puts the name of a hop of its route before the message, where that does not say it. */
void path_name_hop(const struct path *p, size_t hop, struct err *why);
