/* SPDX-License-Identifier: MIT */
/*
 * The registry: every tunnel with what is wanted of it (its settings, and whether it should run)
 * and what was last reported of it. Nothing is decided here; reload and commands write the one
 * half, reports write the other, sync.c brings the two together. Whoever wants to know of changes
 * is an observer.
 *
 * A thousand idle tunnels live here at once, so what only a few need is allocated when they do.
 */
#pragma once

#include "daemon/common/wire.h"
#include "daemon/supervisor/history.h"
#include "daemon/supervisor/shown_keys.h"
#include "lib/config.h"
#include "lib/list.h"

struct worker;
struct listening;
struct server;
struct tunnels;

struct forward {
	struct list link; /* tunnel.forwards, in the order of the configuration */
	uint64_t id; /* on the wire; a new one each time it is opened */
	struct tunnel *tunnel;
	const struct config_forward *spec; /* borrowed from tunnel.spec */
	struct listening *listening; /* NULL while the tunnel is stopped, and for remote forwards;
				      * kept by sync.c */
	bool announced; /* the worker knows the id */
	bool has_sockets; /* and has copies of the sockets */
	bool news; /* there is something to tell the worker */

	enum forward_state state;
	struct err *error; /* NULL: none */
	char *note; /* what a person should know though it works; NULL: nothing */
	uint16_t port; /* remote: where the server listens; 0: nowhere, or it did not say where */
	uint16_t bound_port; /* remote: where it listened last, over sessions and workers; 0: it
			      * never did with these settings */
	struct wire_counters counters; /* of this worker's process */
	struct wire_counters before; /* what earlier processes counted */

	/* What the log has said of it; see tunnel_log.c. */
	unsigned said_hash;
	uint16_t said_port;
};

struct tunnel {
	struct tunnels *owner;
	uint64_t id; /* on the wire; never given twice */
	char *name;
	const struct config_tunnel *spec; /* borrowed from the running configuration */
	bool wanted; /* should run */

	/* What the worker has been told; see sync.c. */
	struct worker *worker; /* NULL: not placed yet */
	struct list worker_link; /* worker.tunnels */
	struct list todo_link; /* sync.todo */
	struct list start_link; /* sync.starts */
	bool spec_told, start_told;
	bool reconnect; /* the next spec drops the session */
	bool restart; /* a restart is asked for */
	bool kick; /* a start is asked for though it was told: ends a backoff */
	unsigned leaving; /* forwards whose end the worker has not acknowledged */

	/* What was last reported. */
	enum tunnel_state state;
	uint64_t since_ms; /* wall clock of the last change of state */
	unsigned attempt;
	size_t route; /* of spec.routes: the one that is used or tried */
	uint64_t retry_at_ms; /* CLOCK_MONOTONIC; backoff only */
	struct err *error; /* NULL: none */
	struct wire_session *session; /* NULL: none yet */
	struct wire_hop
		*jumps; /* of that route, before the server; NULL: nothing is known of them */
	size_t jump_count;
	struct server *servers; /* of each route; NULL: nothing is known, or there is only one */
	size_t server_count;
	int64_t rtt_us; /* -1: never measured in this session */
	struct wire_counters counters, before;
	struct shown_keys shown_keys; /* by its servers */
	struct history history;
	struct list forwards; /* struct forward.link */

	/* What the log has said of it; see tunnel_log.c. */
	unsigned said_hash, said_times;
};

enum tunnel_event {
	TUNNEL_EV_STATE, /* state or reason changed; a line of history */
	TUNNEL_EV_DETAIL, /* anything else that is shown: attempt, a forward's state */
	TUNNEL_EV_REMOVED, /* about to be freed */
};

struct tunnels_observer {
	struct list link; /* tunnels.observers */
	void (*on_event)(void *data, struct tunnel *t, enum tunnel_event event);
	void *data;
};

struct tunnels {
	struct tunnel **by_name, **by_id; /* both sorted */
	size_t count, capacity;
	uint64_t last_id; /* of tunnels and forwards alike */
	size_t in_state[TUNNEL_STATE_COUNT];
	struct list observers; /* struct tunnels_observer */
};

void tunnels_init(struct tunnels *ts);
void tunnels_fini(struct tunnels *ts);
void tunnels_observe(struct tunnels *ts, struct tunnels_observer *o);

/* Adds a stopped tunnel with closed forwards. The name must be free. NULL: out of memory. */
struct tunnel *tunnels_add(struct tunnels *ts, const struct config_tunnel *spec);
/* Its forwards must have been given up (sync_remove() does it). */
void tunnels_remove(struct tunnel *t);

struct tunnel *tunnels_find(const struct tunnels *ts, const char *name);
struct tunnel *tunnels_find_id(const struct tunnels *ts, uint64_t id);
/* The first tunnel whose name comes after this one; NULL as a name: the first of all. */
struct tunnel *tunnels_after(const struct tunnels *ts, const char *name);

/* Another worker knows it by another number, and knows nothing of it yet. */
void tunnel_renew(struct tunnel *t);

struct forward *forward_new(struct tunnel *t, const struct config_forward *spec);
void forward_free(struct forward *f);
struct forward *tunnel_find_forward(const struct tunnel *t, uint64_t id);
/* A forward that is opened again is another one to the worker. */
void forward_renew(struct forward *f);

/* The only writer of t->state: no change goes uncounted, unremembered or untold. session may be
 * NULL: nothing is known of it. */
void tunnel_enter(struct tunnel *t, const struct wire_tunnel_state *report);
/* The same with nothing but a state, for what the supervisor knows by itself. */
void tunnel_enter_plain(struct tunnel *t, enum tunnel_state state, const struct err *error);
/* The same for a forward; false: nothing has changed. */
bool forward_enter(struct forward *f, const struct wire_forward_state *report);
bool forward_enter_plain(struct forward *f, enum forward_state state, const struct err *error);
void tunnel_touch(struct tunnel *t); /* TUNNEL_EV_DETAIL */
/* The route, and the server, that is used or tried. */
const struct config_route *tunnel_route(const struct tunnel *t);
const struct connection_settings *tunnel_server(const struct tunnel *t);
/* The process that counted is gone; what it counted stays. */
void tunnel_fold_counters(struct tunnel *t);
