/* SPDX-License-Identifier: MIT */
/*
 * One key of an agent, offered to a server without libssh ever waiting for the agent. libssh would
 * talk to the agent itself, blocking; so it is given a socket in which the answers stand already:
 *
 *  1. a list with just this key, and then the end. libssh offers the key to the server; when the
 *     server takes it, libssh writes its sign request, finds no answer, and gives up.
 *  2. We pass the request to the agent, in our own time: it may ask a person first.
 *  3. The same list again, and the signature. libssh offers the key again, asks for the same
 *     signature (what is signed has not changed), finds it, and logs in.
 */
#pragma once

#include "daemon/worker/agent.h"
#include "daemon/worker/auth_plan.h"
#include "daemon/worker/session.h"

enum auth_agent_state {
	AUTH_AGENT_OFFER, /* nothing has been said yet, or the first pass is under way */
	AUTH_AGENT_ASK, /* the agent has the request */
	AUTH_AGENT_PROVE, /* the second pass */
};

/* {0} is one that has not begun. */
struct auth_agent {
	enum auth_agent_state state;
	int ours, libssh; /* ends of the socket pair, with is_open */
	bool is_open;
	bool is_offered; /* the server has been asked */
};

enum auth_agent_result {
	AUTH_AGENT_WAIT,
	AUTH_AGENT_SUCCESS,
	AUTH_AGENT_PARTIAL,
	AUTH_AGENT_DENIED, /* by the server */
	AUTH_AGENT_REFUSED, /* by the agent; err says why */
	AUTH_AGENT_BROKEN, /* the session */
};

/* Call again until it is not WAIT; sign_ms: how long the agent may take. */
enum auth_agent_result auth_agent_step(struct auth_agent *aa, struct session *s,
				       struct agent *agent, const struct auth_candidate *c,
				       unsigned sign_ms, struct err *err);
/* Before the next candidate, and at the end. s: NULL when the session is gone. */
void auth_agent_reset(struct auth_agent *aa, struct session *s);
