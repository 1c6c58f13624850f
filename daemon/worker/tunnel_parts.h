/* SPDX-License-Identifier: MIT */
/*
 * What a tunnel is made of, for the files that are it: tunnel.c has its state, its session and its end,
 * tunnel_round.c tries one server after the other, tunnel_better.c looks for a better one while a session
 * lives, tunnel_agent.c waits for a key, tunnel_settings.c takes other settings, and tunnel_work.c is what is
 * done with a session.
 */
#pragma once

#include "daemon/worker/agents.h"
#include "daemon/worker/forwards.h"
#include "daemon/worker/path.h"
#include "daemon/worker/retry.h"
#include "daemon/worker/routes.h"
#include "daemon/worker/tunnel.h"

/* Servers may be for different agents, and wait for them at different times. */
struct tunnel_agent {
	struct agent_watch watch; /* over: the agent has other keys, which have not been tried */
	uint64_t tried_ms; /* when the server was last knocked at */
};

struct tunnel {
	struct list link; /* worker.tunnels */
	const struct worker_parts *parts;
	uint64_t id;
	struct config_tunnel *spec;
	struct forwards forwards;

	enum tunnel_state state;
	struct err error; /* why, for backoff, failed and degraded */
	struct routes routes;
	struct path *path; /* the route that is used or tried */
	struct path *better; /* one that is tried, or ready, while another is used; NULL: none */
	bool afresh; /* a person asks: what is remembered of jumps does not count */
	bool serving; /* its session carries the forwards */
	bool parting; /* the last session is saying goodbye; the next one waits */
	bool stopping, dying; /* what happens when that is over */
	struct loop_defer settle; /* forwards have changed */
	struct forward *direct; /* of `tunctl nc`; NULL: nobody asked yet */
	struct loop_timer retry;
	struct loop_timer stable;
	struct loop_timer failback; /* until a better server is looked for, or looked at again */
	uint64_t idle_ms; /* since when only last words keep it from moving; 0: it is not so */
	struct tunnel_agent agents[CONFIG_ROUTES_MAX]; /* by route; see route_result.awaits_agent */
	size_t served_route; /* the last that carried the forwards; SIZE_MAX: none yet */

	struct retry policy;
	struct wire_counters told; /* as last reported */
	int64_t rtt_told;
	struct loop_grave grave;
};

/* ---- tunnel.c ---- */

/* The only writer of t->state: no change goes unlogged or untold. why is kept for the new state. */
void tunnel_enter(struct tunnel *t, enum tunnel_state next, const struct err *why);
void tunnel_report(struct tunnel *t);
void tunnel_tell_route(struct tunnel *t, size_t route, enum route_state state,
		       const struct err *why);
/* The path that is in use gives way to the better one. */
void tunnel_take_better(struct tunnel *t);
enum session_end {
	SESSION_BREAKS, /* what was on its way is lost */
	SESSION_LEAVES, /* the server's last words are waited for */
	SESSION_HAS_WAITED, /* they have been */
};
/* Ends the session in use; nobody is on it. */
void tunnel_drop_session(struct tunnel *t, enum session_end how);
void tunnel_drop_all(struct tunnel *t); /* the better one as well */

/* ---- tunnel_round.c ---- */

void tunnel_round_open(struct tunnel *t); /* -1 is seen in retry.event and stable.event */
void tunnel_round_begin(struct tunnel *t);
/* The attempt that was entered begins, now that the last session has said goodbye. */
void tunnel_round_set_out(struct tunnel *t);
/* The session or the attempt has gone, and why says what happens next. */
void tunnel_round_failed(struct tunnel *t, const struct err *why);
/* A server, in use or in the background, cannot be reached (any more); why learns what to do about it. */
void tunnel_round_note_failure(struct tunnel *t, size_t route, struct err *why);
void tunnel_round_forgive(struct tunnel *t); /* all servers may be tried again */
void tunnel_round_hurry(struct tunnel *t); /* a client waits */
void tunnel_round_set_bounds(struct tunnel *t); /* of the waits between attempts */

/* ---- tunnel_agent.c ---- */

/* A server failed; if a key in the agent may help, it is waited for. */
void tunnel_agent_await(struct tunnel *t, const struct path *p);
void tunnel_agent_consider(struct tunnel *t); /* it may have come, and nothing else be going on */
void tunnel_agent_tried(struct tunnel *t, size_t route); /* it hears now of what the agent has */
void tunnel_agent_forget(struct tunnel *t);

/* ---- tunnel_better.c ---- */

void tunnel_better_open(struct tunnel *t); /* -1 is seen in failback.event */
/* Connected: a better server is looked for in time. */
void tunnel_better_await(struct tunnel *t);
void tunnel_better_hurry(struct tunnel *t, unsigned wait_ms); /* it may work now */
void tunnel_better_drop(struct tunnel *t);
void tunnel_better_up(struct tunnel *t);
void tunnel_better_lost(struct tunnel *t, const struct err *why);
/* Moves there, if there is one that is ready and nobody would notice. */
void tunnel_better_consider(struct tunnel *t);
void tunnel_better_note_idle(struct tunnel *t); /* a forward's last connection has ended */
