/* SPDX-License-Identifier: MIT */
#include "daemon/worker/tunnel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/common/log.h"
#include "daemon/worker/attempt.h"
#include "daemon/worker/parting.h"
#include "daemon/worker/tunnel_parts.h"
#include "lib/util.h"

/* What happens in a state: the step that leads out of it, where to, and its share of the deadline.
 */
static const struct phase {
	enum step (*step)(struct attempt *a, struct err *err);
	enum tunnel_state next;
	unsigned limit_percent; /* of connect_timeout */
} phases[TUNNEL_STATE_COUNT] = {
	[TUNNEL_CONNECTING] = { attempt_connect, TUNNEL_VERIFYING, 75 },
	[TUNNEL_VERIFYING] = { attempt_verify, TUNNEL_AUTHENTICATING, 50 },
	[TUNNEL_AUTHENTICATING] = { attempt_authenticate, TUNNEL_OPENING, 75 },
	[TUNNEL_OPENING] = { attempt_open, TUNNEL_UP, 50 },
};

static void begin_attempt(struct tunnel *t);
static void fail(struct tunnel *t, const struct err *why);

/* ---- the state ---- */

static void report(struct tunnel *t)
{
	struct wire_tunnel_state state = {
		.tunnel = t->id,
		.state = t->state,
		.attempt = t->policy.attempts,
		.route = (unsigned)t->route,
		.error = t->error,
		.session = t->session,
	};

	if (t->state == TUNNEL_BACKOFF)
		state.retry_at_ms = t->retry.due_ms;
	report_tunnel(t->parts->report, &state);
}

/* The only writer of t->state: no change goes unlogged or untold. why is kept for the new state. */
static void enter(struct tunnel *t, enum tunnel_state next, const struct err *why)
{
	log_debug("tunnel '%s': %s -> %s", t->spec->name, tunnel_state_name(t->state),
		  tunnel_state_name(next));
	t->state = next;
	t->error = why ? *why : (struct err){ 0 };
	report(t);
}

static void give_up_on_forward(struct tunnel *t, const struct err *why);

/* Connected: `up` unless a forward does not work; and neither before all have been answered. */
static void settle_connected(struct tunnel *t)
{
	const struct err *why;
	enum tunnel_state next;

	if (!t->serving)
		return;
	if (t->state == TUNNEL_OPENING) {
		if (forwards_are_opening(&t->forwards))
			return;
		why = forwards_setup_failure(&t->forwards);
		if (why && t->spec->upkeep.exit_on_forward_failure) {
			give_up_on_forward(t, why);
			return;
		}
	}
	why = forwards_failure(&t->forwards);
	next = why ? TUNNEL_DEGRADED : TUNNEL_UP;
	if (t->state != next || (why && strcmp(why->msg, t->error.msg) != 0))
		enter(t, next, why);
}

static void on_settle(void *data)
{
	struct tunnel *t = data;

	if (t->serving)
		forwards_go_on(&t->forwards);
	settle_connected(t);
}

/* ---- the end of an attempt or a session ---- */

static void on_parted(void *data);

/* A living session on which the server listens for us takes its leave first. */
static void part(struct tunnel *t)
{
	forwards_take_leave(&t->forwards);
	if (!session_is_cancelling(attempt_session(t->attempt)))
		return;
	t->parting = parting_new(t->parts->partings, attempt_take_session(t->attempt), on_parted,
				 t) != NULL;
}

/* reset: it is broken, and what was on its way is lost. */
static void drop_session(struct tunnel *t, bool reset)
{
	forwards_end_connections(&t->forwards, reset);
	if (t->serving && !reset)
		part(t);
	t->serving = false;
	loop_timer_stop(&t->deadline);
	loop_timer_stop(&t->phase);
	loop_timer_stop(&t->retry);
	loop_timer_stop(&t->stable);
	if (t->keepalive.session)
		keepalive_close(&t->keepalive);
	gate_leave(&t->pass);
	attempt_free(TAKE(t->attempt));
}

static void name_server(const struct tunnel *t, struct err *why)
{
	const struct connection_settings *c = config_server(t->spec, t->route);

	if (!strstr(why->msg, c->host))
		err_prefix(why, "%s:%u", c->host, c->port);
}

/* The session has gone, and why says what happens next. */
static void fall_back(struct tunnel *t, const struct err *why)
{
	struct err error = *why;
	unsigned wait;

	name_server(t, &error);
	if (retry_is_for_a_person(&t->policy, error.code)) {
		forwards_refuse(&t->forwards);
		enter(t, TUNNEL_FAILED, &error);
		return;
	}
	forwards_hold(&t->forwards);
	wait = retry_wait(&t->policy, error.code, forwards_have_waiting(&t->forwards),
			  loop_now_ms(t->parts->loop));
	loop_timer_set(&t->retry, wait);
	enter(t, TUNNEL_BACKOFF, &error);
}

static void fail(struct tunnel *t, const struct err *why)
{
	struct err error = *why; /* may be the attempt's own */

	drop_session(t, true);
	fall_back(t, &error);
}

static void give_up_on_forward(struct tunnel *t, const struct err *why)
{
	struct err error = *why;

	err_prefix(&error, "exit_on_forward_failure");
	drop_session(t, false);
	fall_back(t, &error);
}

static void on_retry(void *data)
{
	begin_attempt(data);
}

/* ---- time ---- */

static void out_of_time(struct tunnel *t, uint64_t allowed_ms)
{
	char waiting_for[256];
	struct err err;

	attempt_describe(t->attempt, waiting_for, sizeof(waiting_for));
	err_set(&err, ERR_TIMEOUT, "no answer within %llu.%llu s from %s",
		(unsigned long long)allowed_ms / 1000, (unsigned long long)allowed_ms % 1000 / 100,
		waiting_for);
	fail(t, &err);
}

static unsigned phase_limit_ms(const struct tunnel *t)
{
	return (unsigned)((uint64_t)t->spec->upkeep.connect_timeout_ms *
			  phases[t->state].limit_percent / 100);
}

static void on_phase_over(void *data)
{
	struct tunnel *t = data;

	out_of_time(t, phase_limit_ms(t));
}

static void on_deadline(void *data)
{
	struct tunnel *t = data;

	out_of_time(t, t->spec->upkeep.connect_timeout_ms);
}

/* ---- up ---- */

static void on_stable(void *data)
{
	struct tunnel *t = data;

	retry_stable(&t->policy);
}

/* The first answer after authentication: now the server surely counts this session as
 * authenticated, and the next handshake with it may start. */
static void on_rtt(void *data, unsigned rtt_us)
{
	struct tunnel *t = data;

	gate_leave(&t->pass);
	t->rtt_us = rtt_us;
	report_want_stats(t->parts->report);
}

static void on_dead(void *data, unsigned silence_ms)
{
	struct err err;

	err_set(&err, ERR_KEEPALIVE,
		"nothing heard from the server for %u.%u s, although it was asked; it is frozen, "
		"or the network between is gone",
		silence_ms / 1000, silence_ms % 1000 / 100);
	fail(data, &err);
}

static const struct keepalive_ops keepalive_ops = {
	.on_rtt = on_rtt,
	.on_dead = on_dead,
};

static void apply_tcp_timeout(struct tunnel *t)
{
	const struct upkeep_settings *u = &t->spec->upkeep;

	if (u->keepalive_interval_ms > 0)
		attempt_set_tcp_timeout(t->attempt,
					u->keepalive_interval_ms * u->keepalive_count + 1000);
}

static void become_connected(struct tunnel *t)
{
	const struct upkeep_settings *u = &t->spec->upkeep;
	struct session *s = attempt_session(t->attempt);
	struct err err;

	loop_timer_stop(&t->deadline);
	loop_timer_stop(&t->phase);
	loop_timer_set(&t->stable, u->reconnect_stable_ms);
	retry_connected(&t->policy);
	attempt_facts(t->attempt, &t->session);
	apply_tcp_timeout(t);
	if (keepalive_open(&t->keepalive, t->parts->loop, s, u->keepalive_interval_ms,
			   u->keepalive_count, &keepalive_ops, t) < 0) {
		err_nomem(&err);
		fail(t, &err);
		return;
	}
	t->serving = true;
	forwards_serve(&t->forwards, s);
	settle_connected(t);
}

/* ---- the steps ---- */

/* Runs steps until one has to wait. */
static void advance(struct tunnel *t)
{
	while (t->attempt && !t->serving && phases[t->state].step) {
		const struct phase *phase = &phases[t->state];
		struct err err = { 0 };
		enum step step = phase->step(t->attempt, &err);

		if (step == STEP_WAIT)
			return;
		attempt_facts(t->attempt, &t->session);
		if (step == STEP_FAIL) {
			fail(t, &err);
			return;
		}
		if (phase->next == TUNNEL_UP) {
			become_connected(t);
			return;
		}
		enter(t, phase->next, NULL);
		loop_timer_set(&t->phase, phase_limit_ms(t));
	}
}

static void on_progress(void *data)
{
	advance(data);
}

static void on_lost(void *data, const struct err *err)
{
	fail(data, err);
}

static const struct attempt_ops attempt_ops = {
	.on_progress = on_progress,
	.on_lost = on_lost,
};

static void on_admit(void *data)
{
	struct tunnel *t = data;
	struct err err;

	retry_admitted(&t->policy, loop_now_ms(t->parts->loop));
	t->attempt = attempt_new(t->parts, config_server(t->spec, t->route), &attempt_ops, t, &err);
	if (!t->attempt) {
		fail(t, &err);
		return;
	}
	loop_timer_set(&t->deadline, t->spec->upkeep.connect_timeout_ms);
	loop_timer_set(&t->phase, phase_limit_ms(t));
}

static void knock(struct tunnel *t)
{
	const struct connection_settings *c = config_server(t->spec, t->route);
	struct err err;

	if (gate_enter(t->parts->gate, &t->pass, c->host, c->port,
		       forwards_have_waiting(&t->forwards), on_admit, t) < 0) {
		err_nomem(&err);
		fail(t, &err);
	}
}

static void begin_attempt(struct tunnel *t)
{
	retry_begin(&t->policy);
	t->rtt_us = -1;
	t->session = (struct wire_session){ 0 };
	enter(t, TUNNEL_CONNECTING, NULL);
	if (!t->parting)
		knock(t);
}

/* Somebody waits: shorten the wait when the network was the reason, never otherwise. */
void tunnel_hurry(struct tunnel *t)
{
	uint64_t now_ms = loop_now_ms(t->parts->loop);
	unsigned wait = retry_hurried(&t->policy, now_ms);

	gate_hurry(&t->pass);
	if (t->state != TUNNEL_BACKOFF || !retry_is_of_network(t->error.code) ||
	    t->retry.due_ms <= now_ms + wait)
		return;
	loop_timer_set(&t->retry, wait);
	report(t);
}

/* ---- what the supervisor asks for ---- */

static void open_timers(struct tunnel *t)
{
	loop_timer_open(&t->deadline, t->parts->loop, on_deadline, t);
	loop_timer_open(&t->phase, t->parts->loop, on_phase_over, t);
	loop_timer_open(&t->retry, t->parts->loop, on_retry, t);
	loop_timer_open(&t->stable, t->parts->loop, on_stable, t);
	loop_defer_open(&t->settle, t->parts->loop, on_settle, t);
}

static void close_timers(struct tunnel *t)
{
	loop_timer_close(&t->deadline);
	loop_timer_close(&t->phase);
	loop_timer_close(&t->retry);
	loop_timer_close(&t->stable);
	loop_defer_close(&t->settle);
}

static void destroy(void *data)
{
	struct tunnel *t = data;

	config_tunnel_free(t->spec);
	free(t);
}

static void apply_reconnect_bounds(struct tunnel *t)
{
	retry_set_bounds(&t->policy, t->spec->upkeep.reconnect_min_ms,
			 t->spec->upkeep.reconnect_max_ms);
}

struct tunnel *tunnel_new(const struct worker_parts *parts, uint64_t id, struct config_tunnel *spec,
			  struct err *err)
{
	struct tunnel *t = calloc(1, sizeof(*t));

	if (!t) {
		config_tunnel_free(spec);
		err_nomem(err);
		return NULL;
	}
	t->parts = parts;
	t->id = id;
	t->spec = spec;
	t->rtt_us = t->rtt_told = -1;
	list_init(&t->link);
	forwards_init(&t->forwards);
	apply_reconnect_bounds(t);
	open_timers(t);
	if (!t->deadline.event || !t->phase.event || !t->retry.event || !t->stable.event) {
		close_timers(t);
		destroy(t);
		err_nomem(err);
		return NULL;
	}
	return t;
}

static void enter_stopped(struct tunnel *t)
{
	t->stopping = false;
	enter(t, TUNNEL_STOPPED, NULL);
}

static void bury(struct tunnel *t)
{
	report_removed(t->parts->report, t->id);
	loop_bury(t->parts->loop, &t->grave, destroy, t);
}

void tunnel_free(struct tunnel *t)
{
	drop_session(t, false);
	forwards_free(&t->forwards);
	close_timers(t);
	list_remove(&t->link);
	t->dying = t->parting;
	if (!t->dying)
		bury(t);
}

static void on_parted(void *data)
{
	struct tunnel *t = data;

	t->parting = false;
	if (t->dying)
		bury(t);
	else if (t->stopping)
		enter_stopped(t);
	else if (t->state == TUNNEL_CONNECTING)
		knock(t);
}

static void replace_spec(struct tunnel *t, struct config_tunnel *spec)
{
	drop_session(t, false); /* the attempt borrows the old settings */
	config_tunnel_free(t->spec);
	t->spec = spec;
	t->route = 0;
	t->policy.was_known = false;
}

/* The attempt under way goes on, and with it the connection settings that it borrows. */
static void replace_upkeep(struct tunnel *t, struct config_tunnel *spec)
{
	t->spec->upkeep = spec->upkeep;
	config_tunnel_free(spec);
	if (!t->keepalive.session)
		return;
	keepalive_set(&t->keepalive, t->spec->upkeep.keepalive_interval_ms,
		      t->spec->upkeep.keepalive_count);
	apply_tcp_timeout(t);
}

void tunnel_set(struct tunnel *t, struct config_tunnel *spec, bool reconnect)
{
	bool stopped = t->stopping || t->state == TUNNEL_STOPPED;

	if (reconnect)
		replace_spec(t, spec);
	else
		replace_upkeep(t, spec);
	apply_reconnect_bounds(t);
	forwards_set_hold(&t->forwards, t->spec->upkeep.hold_ms);
	if (reconnect && !stopped)
		tunnel_restart(t);
}

void tunnel_start(struct tunnel *t)
{
	if (t->stopping || t->state == TUNNEL_STOPPED || t->state == TUNNEL_BACKOFF ||
	    t->state == TUNNEL_FAILED)
		tunnel_restart(t);
}

void tunnel_stop(struct tunnel *t)
{
	drop_session(t, false);
	forwards_hold(&t->forwards);
	retry_reset(&t->policy);
	t->stopping = t->parting;
	if (!t->stopping && t->state != TUNNEL_STOPPED)
		enter_stopped(t);
}

void tunnel_restart(struct tunnel *t)
{
	t->stopping = false;
	drop_session(t, false);
	forwards_hold(&t->forwards);
	retry_reset(&t->policy);
	begin_attempt(t);
}

void tunnel_wake(struct tunnel *t)
{
	if (t->keepalive.session)
		keepalive_ask(&t->keepalive);
	if (t->state != TUNNEL_BACKOFF || !retry_is_of_network(t->error.code))
		return;
	retry_reset(&t->policy);
	loop_timer_set(&t->retry, retry_woken(&t->policy, loop_now_ms(t->parts->loop)));
	report(t);
}

/* ---- looking ---- */

uint64_t tunnel_id(const struct tunnel *t)
{
	return t->id;
}

bool tunnel_has_session(const struct tunnel *t)
{
	return t->serving;
}

struct list *tunnel_link(struct tunnel *t)
{
	return &t->link;
}

struct tunnel *tunnel_from_link(struct list *link)
{
	return list_entry(link, struct tunnel, link);
}
