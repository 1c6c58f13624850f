/* SPDX-License-Identifier: MIT */
/*
 * The machine that keeps one tunnel alive. It is the only source of truth about a tunnel's state:
 * every change is made in one place, reported once, with its reason. How a server is reached is known to
 * path.h; which of several, and the wait between attempts, is decided here.
 */
#pragma once

#include "daemon/worker/parts.h"

struct tunnel;

/* Takes spec, also on failure. It starts stopped. */
struct tunnel *tunnel_new(const struct worker_parts *parts, uint64_t id, struct config_tunnel *spec,
			  struct err *err);
/* Ends everything, orderly. */
void tunnel_free(struct tunnel *t);

/* Takes spec. reconnect: the session has to be a new one; otherwise only upkeep may differ. */
void tunnel_set(struct tunnel *t, struct config_tunnel *spec, bool reconnect);

/* A person wants it: no more waiting, whatever was the reason. */
void tunnel_start(struct tunnel *t);
void tunnel_stop(struct tunnel *t);
void tunnel_restart(struct tunnel *t); /* a new session, at once */

/* The network may be another one: a wait for it ends soon, a living server is asked for a sign. */
void tunnel_wake(struct tunnel *t);

/* Adds a forward or replaces its sockets. Takes spec and descriptors. */
int tunnel_set_forward(struct tunnel *t, const struct wire_forward *about,
		       struct config_forward *spec, int *fds, size_t count, struct err *err);
int tunnel_add_sockets(struct tunnel *t, uint64_t id, int *fds, size_t count, struct err *err);
void tunnel_remove_forward(struct tunnel *t, uint64_t id); /* open connections go on */

/* A client of the control socket wants to go somewhere; takes what target holds. The answer is
 * `connected`, and then the client's socket comes. False: there is no such call. */
void tunnel_connect(struct tunnel *t, uint64_t call, struct config_end *target);
bool tunnel_attach(struct tunnel *t, uint64_t call, int *fd);
bool tunnel_cancel_connect(struct tunnel *t, uint64_t call);

void tunnel_list_connections(const struct tunnel *t, uint64_t after, struct wire_connections *ret);
bool tunnel_kill_connection(struct tunnel *t, uint64_t id); /* false: there is none */

uint64_t tunnel_id(const struct tunnel *t);
bool tunnel_has_session(const struct tunnel *t);
/* Reports counters when they changed; true while connections are open. */
bool tunnel_report_stats(struct tunnel *t);

struct list *tunnel_link(struct tunnel *t);
struct tunnel *tunnel_from_link(struct list *link);
