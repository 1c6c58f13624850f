/* SPDX-License-Identifier: MIT */
/*
 * What is known of each of a tunnel's servers, where it has several: the worker reports them one by
 * one. A tunnel with one server pays nothing; what is known of that one is the state of the tunnel.
 */
#pragma once

#include "daemon/supervisor/tunnels.h"

struct server {
	enum route_state state;
	struct err *error; /* NULL: none */
	uint64_t since_ms; /* wall clock of the last change of state; 0: nothing was ever heard */

	/* What the log has said of it; see tunnel_log.c. */
	unsigned said_hash;
};

/* Of the route with this index; what it points to belongs to the tunnel. */
void servers_get(const struct tunnel *t, size_t route, struct server *ret);
/* What a worker says; NULL: nothing has changed, or it is about a list that is none any more. */
struct server *servers_enter(struct tunnel *t, const struct wire_route_state *report);
void servers_forget(struct tunnel *t); /* nothing is known any more */
bool servers_need_person(const struct tunnel *t); /* one of several */
