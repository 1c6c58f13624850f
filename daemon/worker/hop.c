/* SPDX-License-Identifier: MIT */
#include "daemon/worker/hop.h"

#include <stdio.h>

#include "daemon/worker/jumps.h"
#include "daemon/worker/way_name.h"
#include "lib/util.h"

/* What happens in a state: the step that leads out of it, where to, and its share of the deadline. */
static const struct phase {
	enum step (*step)(struct attempt *a, struct err *err);
	enum hop_state next;
	unsigned limit_percent; /* of connect_timeout */
} phases[HOP_STATE_COUNT] = {
	[HOP_CONNECTING] = { attempt_connect, HOP_VERIFYING, 75 },
	[HOP_VERIFYING] = { attempt_verify, HOP_AUTHENTICATING, 50 },
	[HOP_AUTHENTICATING] = { attempt_authenticate, HOP_UP, 75 },
};

/* ---- the end ---- */

void hop_stop(struct hop *hop)
{
	hop->state = HOP_WAITING;
	loop_timer_stop(&hop->deadline);
	loop_timer_stop(&hop->phase);
	if (hop->keepalive.session)
		keepalive_close(&hop->keepalive);
	gate_leave(&hop->pass);
	attempt_free(TAKE(hop->attempt));
}

/* Behind a jump that is frozen every server is silent: it is the jump that is lost then, and its users,
 * of whom this is one, find that out when they look. */
static void lose(struct hop *hop, const struct err *why)
{
	struct err error = *why; /* may be the attempt's own */

	if (hop->attempt)
		attempt_explain(hop->attempt, &error);
	hop->lacks_key = hop->attempt && attempt_lacks_key(hop->attempt);
	if (error.code == ERR_TIMEOUT || error.code == ERR_KEEPALIVE)
		jump_blame(hop->purpose.through, hop->doubt_ms);
	hop->ops->on_lost(hop->data, &error);
}

static void doubt(struct hop *hop)
{
	hop->doubt_ms = loop_now_ms(hop->parts->loop);
	jump_suspect(hop->purpose.through);
}

/* ---- time ---- */

static void out_of_time(struct hop *hop, uint64_t allowed_ms)
{
	char waiting_for[256];
	struct err err;

	attempt_describe(hop->attempt, waiting_for, sizeof(waiting_for));
	err_set(&err, ERR_TIMEOUT, "no answer within %llu.%llu s from %s",
		(unsigned long long)allowed_ms / 1000, (unsigned long long)allowed_ms % 1000 / 100,
		waiting_for);
	lose(hop, &err);
}

static unsigned phase_limit_ms(const struct hop *hop)
{
	return (unsigned)((uint64_t)hop->upkeep.connect_timeout_ms *
			  phases[hop->state].limit_percent / 100);
}

static void on_phase_over(void *data)
{
	struct hop *hop = data;

	out_of_time(hop, phase_limit_ms(hop));
}

static void on_deadline(void *data)
{
	struct hop *hop = data;

	out_of_time(hop, hop->upkeep.connect_timeout_ms);
}

/* ---- up ---- */

/* The first answer after authentication: now the server surely counts this session as
 * authenticated, and the next handshake with it may start. */
static void on_rtt(void *data, unsigned rtt_us)
{
	struct hop *hop = data;

	gate_leave(&hop->pass);
	hop->rtt_us = rtt_us;
	hop->ops->on_rtt(hop->data);
}

int hop_silence_error(unsigned silence_ms, struct err *err)
{
	return err_set(err, ERR_KEEPALIVE,
		       "nothing heard from the server for %u.%u s, although it was asked; it is "
		       "frozen, or the network between is gone",
		       silence_ms / 1000, silence_ms % 1000 / 100);
}

static void on_dead(void *data, unsigned silence_ms)
{
	struct err err;

	hop_silence_error(silence_ms, &err);
	lose(data, &err);
}

static void on_ask(void *data)
{
	doubt(data);
}

static bool may_wait(void *data)
{
	struct hop *hop = data;

	return jump_is_asked(hop->purpose.through, hop->doubt_ms);
}

static const struct keepalive_ops keepalive_ops = {
	.on_ask = on_ask,
	.may_wait = may_wait,
	.on_rtt = on_rtt,
	.on_dead = on_dead,
};

static void apply_tcp_timeout(struct hop *hop)
{
	const struct upkeep_settings *u = &hop->upkeep;

	if (u->keepalive_interval_ms > 0)
		attempt_set_tcp_timeout(hop->attempt,
					u->keepalive_interval_ms * u->keepalive_count + 1000);
}

static void become_up(struct hop *hop)
{
	const struct upkeep_settings *u = &hop->upkeep;
	struct err err;

	loop_timer_stop(&hop->deadline);
	loop_timer_stop(&hop->phase);
	hop->state = HOP_UP;
	attempt_finish(hop->attempt);
	apply_tcp_timeout(hop);
	if (keepalive_open(&hop->keepalive, hop->parts->loop, attempt_session(hop->attempt),
			   u->keepalive_interval_ms, u->keepalive_count, &keepalive_ops, hop) < 0) {
		err_nomem(&err);
		lose(hop, &err);
		return;
	}
	hop->ops->on_up(hop->data);
}

/* ---- the steps ---- */

/* Runs steps until one has to wait. */
static void advance(struct hop *hop)
{
	while (hop->attempt && phases[hop->state].step) {
		const struct phase *phase = &phases[hop->state];
		struct err err = { 0 };
		enum step step = phase->step(hop->attempt, &err);

		if (step == STEP_WAIT)
			return;
		attempt_facts(hop->attempt, &hop->facts);
		if (step == STEP_FAIL) {
			lose(hop, &err);
			return;
		}
		if (phase->next == HOP_UP) {
			become_up(hop);
			return;
		}
		hop->state = phase->next;
		loop_timer_set(&hop->phase, phase_limit_ms(hop));
		hop->ops->on_state(hop->data);
	}
}

static void on_progress(void *data)
{
	advance(data);
}

static void on_lost(void *data, const struct err *err)
{
	lose(data, err);
}

/* Nobody can be hurried; with the answer, time begins anew. The place at the gate is kept: to the server this
 * is one more that has not logged in, whoever it waits for, and at MaxStartups it would drop others. */
static void on_asking(void *data, bool is_asking)
{
	struct hop *hop = data;

	if (is_asking) {
		loop_timer_stop(&hop->deadline);
		loop_timer_stop(&hop->phase);
	} else {
		loop_timer_set(&hop->deadline, hop->upkeep.connect_timeout_ms);
		loop_timer_set(&hop->phase, phase_limit_ms(hop));
	}
}

static const struct attempt_ops attempt_ops = {
	.on_progress = on_progress,
	.on_lost = on_lost,
	.on_asking = on_asking,
};

static void on_admit(void *data)
{
	struct hop *hop = data;
	struct err err;

	hop->ops->on_start(hop->data);
	hop->state = HOP_CONNECTING;
	hop->purpose.limit_ms = phase_limit_ms(hop);
	doubt(hop);
	hop->attempt =
		attempt_new(hop->parts, hop->settings, &hop->purpose, &attempt_ops, hop, &err);
	if (!hop->attempt) {
		lose(hop, &err);
		return;
	}
	loop_timer_set(&hop->deadline, hop->upkeep.connect_timeout_ms);
	loop_timer_set(&hop->phase, phase_limit_ms(hop));
	hop->ops->on_state(hop->data);
}

static int enter_gate(struct hop *hop, bool urgent)
{
	struct jump_user *through = hop->purpose.through;
	CLEANUP(freep)
	char *name = way_name(through ? jump_way(through) : NULL, hop->settings);

	return name ? gate_enter(hop->parts->gate, &hop->pass, name, urgent, on_admit, hop) : -1;
}

void hop_start(struct hop *hop, const struct connection_settings *settings,
	       const struct upkeep_settings *upkeep, const struct attempt_for *purpose, bool urgent)
{
	struct err err;

	hop->settings = settings;
	hop->upkeep = *upkeep;
	hop->purpose = *purpose;
	hop->rtt_us = -1;
	hop->facts = (struct wire_session){ 0 };
	if (enter_gate(hop, urgent) < 0) {
		err_nomem(&err);
		lose(hop, &err);
	}
}

struct session *hop_take_session(struct hop *hop)
{
	return attempt_take_session(hop->attempt);
}

void hop_set_upkeep(struct hop *hop, const struct upkeep_settings *upkeep)
{
	hop->upkeep = *upkeep;
	if (!hop->keepalive.session)
		return;
	keepalive_set(&hop->keepalive, upkeep->keepalive_interval_ms, upkeep->keepalive_count);
	apply_tcp_timeout(hop);
}

void hop_hurry(struct hop *hop)
{
	gate_hurry(&hop->pass);
}

void hop_ask(struct hop *hop)
{
	if (hop->keepalive.session)
		keepalive_ask(&hop->keepalive);
}

/* ---- looking ---- */

unsigned hop_silence_ms(const struct hop *hop, uint64_t since_ms)
{
	const struct keepalive *k = &hop->keepalive;
	uint64_t heard_ms;

	if (!k->session || !k->asking || k->asked_ms > since_ms)
		return 0;
	session_pump(k->session); /* it may have answered, and nobody has read it yet */
	heard_ms = session_heard_ms(k->session);
	return heard_ms > since_ms ? 0 : (unsigned)(loop_now_ms(hop->parts->loop) - heard_ms);
}

bool hop_is_asked(const struct hop *hop, uint64_t since_ms)
{
	const struct keepalive *k = &hop->keepalive;

	if (!k->session || k->interval_ms == 0 || !k->asking || k->asked_ms <= since_ms)
		return false;
	session_pump(k->session); /* as above */
	return k->asking && session_heard_ms(k->session) < k->asked_ms;
}

bool hop_is_started(const struct hop *hop)
{
	return hop->attempt || hop->pass.server;
}

struct session *hop_session(const struct hop *hop)
{
	return hop->state == HOP_UP ? attempt_session(hop->attempt) : NULL;
}

/* ---- life ---- */

int hop_open(struct hop *hop, const struct worker_parts *parts, const struct hop_ops *ops,
	     void *data)
{
	*hop = (struct hop){ .parts = parts, .ops = ops, .data = data, .rtt_us = -1 };
	if (loop_timer_open(&hop->deadline, parts->loop, on_deadline, hop) < 0)
		return -1;
	if (loop_timer_open(&hop->phase, parts->loop, on_phase_over, hop) == 0)
		return 0;
	loop_timer_close(&hop->deadline);
	return -1;
}

void hop_close(struct hop *hop)
{
	hop_stop(hop);
	loop_timer_close(&hop->deadline);
	loop_timer_close(&hop->phase);
}
