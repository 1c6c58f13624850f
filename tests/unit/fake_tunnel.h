/* SPDX-License-Identifier: MIT */
/*
 * What a tunnel's machine stands on, scripted: an attempt whose steps answer what the test says, a
 * forward that remembers what it was told, reports that are kept.
 */
#pragma once

#include "daemon/worker/attempt.h"
#include "daemon/worker/forward.h"
#include "daemon/worker/jumps.h"
#include "daemon/worker/keepalive.h"
#include "daemon/worker/parting.h"

struct attempt {
	const struct attempt_for *purpose;
	unsigned route;
	const struct attempt_ops *ops;
	void *data;
};

/* What each step answers, and what became of it. */
struct script {
	enum step answers[TUNNEL_STATE_COUNT];
	struct err why; /* for STEP_FAIL */
	struct attempt *living; /* the last one; never more than one to the same server */
	struct attempt *to[CONFIG_ROUTES_MAX]; /* the living ones by route, of one tunnel */
	bool fails[CONFIG_ROUTES_MAX]; /* TCP to that server, whatever answers says */
	struct err why_route[CONFIG_ROUTES_MAX];
	bool lacks_key[CONFIG_ROUTES_MAX]; /* another one might be all that it takes */
	unsigned started;
	unsigned channels; /* of every session */

	bool jump_is_up;
	struct err jump_failure; /* ERR_NONE: none */
	size_t failing_jump; /* whose failure it is */
	bool jump_is_silent; /* found out when it is blamed */
	bool jump_is_in_question; /* it answered, and was asked once more */
};

enum told { TOLD_NOTHING, TOLD_SERVE, TOLD_HOLD, TOLD_REFUSE };

struct fake_forward {
	struct forward base;
	enum told told;
	bool waiting;
	bool opening; /* a server has yet to answer */
	bool listens_remotely; /* it has something to take back */
	struct err error;
	unsigned cut; /* connections ended with a reset */
};

/* What was told last, by whom; a test has one stage. */
struct heard {
	struct wire_tunnel_state last;
	enum route_state routes[CONFIG_ROUTES_MAX]; /* as last told */
	struct err route_errors[CONFIG_ROUTES_MAX];
	unsigned route_reports;
	unsigned servers_changed; /* how often a forward heard that */
	char states[1024]; /* words, separated by blanks */
	struct fake_forward *forward; /* the last one made */
	bool cancelling; /* a server has been asked to listen no more */
	parting_fn parted; /* a session takes its leave; NULL: none does */
	void *parting;
	struct keepalive *keepalive; /* while one is open */
	unsigned asked; /* keepalive_ask() calls */
	unsigned removed; /* reports of it */
	struct wire_hop jumps[CONFIG_HOPS_MAX]; /* of the last report */
	struct jump_user *jump; /* joined and not left */
	unsigned joined; /* jump_join() calls */
	enum jump_haste haste; /* of the last of them */
	unsigned suspected; /* how often a jump was doubted */
	struct err connect_error; /* of the last answer to a connect */
};

extern struct script script;
extern struct heard heard;

void forward_changes(struct fake_forward *f, const struct err *error); /* NULL: it works */
void fake_tunnel_reset(void); /* every step goes on at once */
