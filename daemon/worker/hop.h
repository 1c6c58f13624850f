/* SPDX-License-Identifier: MIT */
/*
 * One server on the way of a tunnel, be it a jump or the last one: let in by its gate, reached by an
 * attempt with a deadline for the whole and one for each phase, then asked for signs of life as long as
 * the session lasts. What a session is good for, and whether to try again, is its owner's business.
 */
#pragma once

#include "daemon/worker/attempt.h"
#include "daemon/worker/keepalive.h"

struct hop_ops {
	void (*on_start)(void *data); /* the gate is open: an attempt begins */
	void (*on_state)(void *data); /* hop.state is another one; not said of HOP_UP */
	void (*on_up)(void *data); /* there is a session, hop_session() */
	void (*on_rtt)(
		void *data); /* hop.rtt_us was measured; the first time proves that it works */
	/* No session, or no longer; hop_stop() is called by the receiver. */
	void (*on_lost)(void *data, const struct err *err);
};

struct hop {
	const struct worker_parts *parts;
	const struct hop_ops *ops;
	void *data;
	enum hop_state state; /* HOP_WAITING: nothing is being done, or the gate is closed */
	const struct connection_settings *settings; /* borrowed while it is started */
	struct upkeep_settings upkeep;
	struct attempt_for purpose;
	uint64_t
		doubt_ms; /* when an answer was first missed, and the jump before it was asked too */

	struct gate_pass pass;
	struct attempt *attempt;
	struct keepalive keepalive;
	struct loop_timer deadline; /* from the start of the attempt to the session */
	struct loop_timer phase; /* of the current step */
	struct wire_session facts; /* of the last attempt */
	int64_t rtt_us; /* -1: not yet measured */
	bool lacks_key; /* after on_lost: another key in the agent might be all that it takes */
};

/* -1: out of memory; nothing is open then. */
int hop_open(struct hop *hop, const struct worker_parts *parts, const struct hop_ops *ops,
	     void *data);
void hop_close(struct hop *hop);

/* urgent: a client waits. What is borrowed is borrowed until hop_stop(). */
void hop_start(struct hop *hop, const struct connection_settings *settings,
	       const struct upkeep_settings *upkeep, const struct attempt_for *purpose,
	       bool urgent);
/* Ends the attempt or the session. May be called from any of the callbacks. */
void hop_stop(struct hop *hop);
/* Hands the session over, with all its duties; then hop_stop(). */
struct session *hop_take_session(struct hop *hop);

void hop_set_upkeep(struct hop *hop, const struct upkeep_settings *upkeep);
void hop_hurry(struct hop *hop); /* a client waits */
void hop_ask(struct hop *hop); /* for a sign of life, now */

/* How long the server has not answered a question that is not younger than since_ms; 0: it has, or was
 * not asked. */
unsigned hop_silence_ms(const struct hop *hop, uint64_t since_ms);
/* Nothing was heard since a younger question, and there will be a verdict about that. */
bool hop_is_asked(const struct hop *hop, uint64_t since_ms);
int hop_silence_error(unsigned silence_ms, struct err *err); /* -1 */

bool hop_is_started(const struct hop *hop);
struct session *hop_session(const struct hop *hop); /* NULL: none that is up */
