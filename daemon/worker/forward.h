/* SPDX-License-Identifier: MIT */
/*
 * One forward of a tunnel, whatever its kind: it has a state with a reason, connections with
 * counters, and does what its tunnel tells it. Where connections come from is the business of its
 * kind: forward_local.c accepts them here, forward_remote.c gets them from the server, and
 * forward_direct.c from the control socket.
 */
#pragma once

#include "daemon/worker/connection.h"

struct forward;
struct session;

struct forward_ops {
	void (*on_change)(void *data, struct forward *f); /* state, error, port or note changed */
	void (*on_waiting)(void *data,
			   struct forward *f); /* a client waits and nobody can serve it */
	void (*on_idle)(void *data, struct forward *f); /* its last connection has ended */
	/* A retired one has nothing left, and is about to be freed. */
	void (*on_gone)(void *data, struct forward *f);
};

/* What the kinds differ in; all but free may be NULL. */
struct forward_kind {
	void (*serve)(struct forward *f); /* there is a session: f->home.session */
	/* The session s has gone (NULL: there was none), and another one is on its way, or (refuse)
	 * none will come by itself. */
	void (*hold)(struct forward *f, struct session *s);
	void (*refuse)(struct forward *f, struct session *s);
	/* The session goes soon, but can still be asked to listen no more. */
	void (*take_leave)(struct forward *f);
	/* The next session is one with another server. */
	void (*change_server)(struct forward *f);
	/* The forward goes, the session s (may be NULL) stays: forward_stopped_listening(), when
	 * nobody listens for it any more. */
	void (*retire)(struct forward *f, struct session *s);
	bool (*is_waiting)(const struct forward *f);
	void (*room)(struct forward *f); /* a connection has ended or was reached */
	/* What connection_ops say, for who wants to know more than that. */
	void (*reached)(struct forward *f, struct connection *c, const struct err *err);
	void (*ended)(struct forward *f, struct connection *c);
	enum forward_state (*state)(const struct forward *f);
	void (*describe)(const struct forward *f, struct wire_forward_state *ret);
	void (*free)(struct forward *f); /* the kind's own parts; not the forward */
};

/* The first member of every kind. */
struct forward {
	struct list link; /* forwards.all or .retired */
	const struct worker_parts *parts;
	const struct forward_kind *kind;
	uint64_t tunnel, id; /* on the wire */
	struct config_forward spec;
	const struct forward_ops *ops;
	void *data;
	bool retired; /* takes no more connections */
	bool listens; /* retired, but the server may still listen: it cannot go yet */

	struct err setup_error; /* why it does not listen */
	struct err serve_error; /* of the last connection, until one succeeds */
	bool has_served; /* this session has reached a target */
	enum forward_state told;

	struct connection_home home;
	struct loop_timer reap_timer; /* while there are connections */
	uint64_t swept_ms; /* when open ones were last asked whether anybody is there */
	struct loop_grave grave;
};

/* Takes what spec holds, also on failure. It starts without sockets, and holds. */
struct forward *forward_new(const struct worker_parts *parts, const struct wire_forward *about,
			    struct config_forward *spec, unsigned hold_ms,
			    const struct forward_ops *ops, void *data, struct err *err);
/* Ends its connections as well. */
void forward_free(struct forward *f);
/* It listens no more, and the supervisor is told when that is done; its connections go on, and it
 * frees itself when the last one has ended. */
void forward_retire(struct forward *f);

/* Replaces the listening sockets by those (taken: set to -1) and as many as are still to come.
 * -1: out of memory. */
int forward_set_sockets(struct forward *f, int *fds, size_t count, size_t expected,
			const struct err *error);
int forward_add_sockets(struct forward *f, int *fds, size_t count);
void forward_set_hold(struct forward *f, unsigned hold_ms);

void forward_serve(struct forward *f, struct session *s); /* connections go through s */
void forward_hold(struct forward *f); /* no session at the moment */
void forward_refuse(struct forward *f); /* none will come by itself: reset at once */
void forward_take_leave(struct forward *f); /* the session ends soon */
void forward_change_server(struct forward *f); /* the next session is with another one */

bool forward_is_waiting(const struct forward *f); /* asks the kernel as well */
void forward_describe(const struct forward *f, struct wire_forward_state *ret);
const struct err *forward_error(const struct forward *f); /* code ERR_NONE: none */
struct forward *forward_from_link(struct list *link);

/* ---- for the kinds ---- */

/* What every kind begins with. -1: out of memory, and nothing to undo but free(). */
int forward_init(struct forward *f, const struct forward_kind *kind,
		 const struct worker_parts *parts, const struct wire_forward *about,
		 struct config_forward *spec, const struct forward_ops *ops, void *data,
		 struct err *err);
void forward_tell(struct forward *f);
void forward_tell_if_changed(struct forward *f);
void forward_set_setup_error(struct forward *f, const struct err *err); /* NULL: none */
bool forward_has_room(const struct forward *f); /* for one more connection */
void forward_limit_handshakes(struct forward *f); /* before a proxy's client is let in */
void forward_begun(struct forward *f); /* a connection was opened */
void forward_stopped_listening(struct forward *f); /* after retire() */

struct forward *forward_local_new(const struct worker_parts *parts,
				  const struct wire_forward *about, struct config_forward *spec,
				  unsigned hold_ms, const struct forward_ops *ops, void *data,
				  struct err *err);
struct forward *forward_remote_new(const struct worker_parts *parts,
				   const struct wire_forward *about, struct config_forward *spec,
				   const struct forward_ops *ops, void *data, struct err *err);
