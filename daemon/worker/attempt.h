/* SPDX-License-Identifier: MIT */
/*
 * One attempt to get a session with one server: the way there, banner, key exchange, host key,
 * authentication. It owns
 * everything an attempt needs and nothing that outlives it; hop.c calls its steps in
 * turn and decides about time. An attempt that succeeded holds the living session.
 */
#pragma once

#include "daemon/worker/parts.h"
#include "daemon/worker/session.h"

struct attempt;
struct jump_user;

/* What it is for. */
struct attempt_for {
	uint64_t tunnel; /* in whose name a person may be asked something; 0: nobody's */
	unsigned route, hop; /* of that tunnel's: which server this is */
	unsigned limit_ms; /* for the way to it */
	struct jump_user
		*through; /* the jump before it, which is up; NULL: it is reached directly */
};

struct attempt_ops {
	void (*on_progress)(void *data); /* call the current step again */
	void (*on_lost)(void *data,
			const struct err *err); /* the session broke; free the attempt */
	/* A person may be thinking (true), or has answered: time does not count meanwhile. */
	void (*on_asking)(void *data, bool is_asking);
};

/* Settings and purpose are borrowed and must outlive the attempt. */
struct attempt *attempt_new(const struct worker_parts *parts,
			    const struct connection_settings *settings,
			    const struct attempt_for *purpose, const struct attempt_ops *ops,
			    void *data, struct err *err);
void attempt_free(struct attempt *a); /* ends the session; may be called from its callbacks */

enum step attempt_connect(struct attempt *a, struct err *err);
enum step attempt_verify(struct attempt *a, struct err *err);
enum step attempt_authenticate(struct attempt *a, struct err *err);
void attempt_finish(struct attempt *a); /* authenticated: the session may be used */

struct session *attempt_session(struct attempt *a);
struct session *attempt_take_session(struct attempt *a); /* hands it over, with all its duties */
/* What it waits for, for the message when time runs out: "the SSH banner of 192.0.2.7:22". */
void attempt_describe(const struct attempt *a, char *out, size_t size);
/* The session broke, or never came: if the way knows better why, that becomes the error. */
void attempt_explain(const struct attempt *a, struct err *err);
/* It was not let in, and another key in the agent might be all that it takes. */
bool attempt_lacks_key(const struct attempt *a);
void attempt_facts(struct attempt *a, struct wire_session *ret);
/* Dead TCP is noticed by the kernel as well, even when only we have something to say. */
void attempt_set_tcp_timeout(struct attempt *a, unsigned timeout_ms);
