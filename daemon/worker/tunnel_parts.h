/* SPDX-License-Identifier: MIT */
/*
 * What a tunnel is made of, for the two files that are it: tunnel.c is the machine that gets and
 * keeps a session, tunnel_work.c what is done with one.
 */
#pragma once

#include "daemon/worker/forwards.h"
#include "daemon/worker/hop.h"
#include "daemon/worker/jumps.h"
#include "daemon/worker/retry.h"
#include "daemon/worker/tunnel.h"

struct tunnel {
	struct list link; /* worker.tunnels */
	const struct worker_parts *parts;
	uint64_t id;
	struct config_tunnel *spec;
	struct forwards forwards;

	enum tunnel_state state;
	struct err error; /* why, for backoff, failed and degraded */
	size_t route; /* of spec.routes: the one that is used or tried */
	struct jump_user
		jump; /* the last one before the server; .jump NULL: it has none at the moment */
	bool afresh; /* a person asks: what is remembered of jumps does not count */
	size_t failed_hop; /* of the route, for backoff and failed */
	struct hop server;
	bool serving; /* its session carries the forwards */
	bool parting; /* the last session is saying goodbye; the next one waits */
	bool stopping, dying; /* what happens when that is over */
	struct loop_defer settle; /* forwards have changed */
	struct forward *direct; /* of `tunctl nc`; NULL: nobody asked yet */
	struct loop_timer retry;
	struct loop_timer stable;

	struct retry policy;
	struct wire_counters told; /* as last reported */
	int64_t rtt_told;
	struct loop_grave grave;
};

void tunnel_hurry(struct tunnel *t); /* a client waits */
