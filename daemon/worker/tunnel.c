/* SPDX-License-Identifier: MIT */
#include "daemon/worker/tunnel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/common/log.h"
#include "daemon/worker/parting.h"
#include "daemon/worker/tunnel_parts.h"
#include "lib/endpoint.h"
#include "lib/util.h"

static void begin_attempt(struct tunnel *t);
static void fail(struct tunnel *t, const struct err *why);

/* ---- the state ---- */

static const struct config_route *route_of(const struct tunnel *t)
{
	return &t->spec->routes[t->route];
}

static bool is_at_rest(const struct tunnel *t)
{
	return t->state == TUNNEL_STOPPED || t->state == TUNNEL_BACKOFF ||
	       t->state == TUNNEL_FAILED;
}

/* The jumps of its route; what the last one leads to is in the state the tunnel is in. */
static size_t describe_jumps(const struct tunnel *t, struct wire_hop *ret)
{
	size_t count = route_of(t)->hop_count - 1;

	for (size_t i = 0; i < count; i++)
		ret[i] = (struct wire_hop){ .state = HOP_WAITING, .rtt_us = -1 };
	if (t->jump.jump) {
		jump_describe(&t->jump, ret);
	} else if (t->error.code != ERR_NONE && t->failed_hop < count) {
		ret[t->failed_hop].state = HOP_FAILED;
		ret[t->failed_hop].error = t->error;
	}
	return count;
}

static void report(struct tunnel *t)
{
	struct wire_hop jumps[CONFIG_HOPS_MAX];
	struct wire_tunnel_state state = {
		.tunnel = t->id,
		.state = t->state,
		.attempt = t->policy.attempts,
		.route = (unsigned)t->route,
		.error = t->error,
		.session = t->server.facts,
		.jumps = jumps,
		.jump_count = describe_jumps(t, jumps),
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
	if (!session_is_cancelling(hop_session(&t->server)))
		return;
	t->parting =
		parting_new(t->parts->partings, hop_take_session(&t->server), on_parted, t) != NULL;
}

/* reset: it is broken, and what was on its way is lost. */
static void drop_session(struct tunnel *t, bool reset)
{
	forwards_end_connections(&t->forwards, reset);
	if (t->serving && !reset)
		part(t);
	t->serving = false;
	loop_timer_stop(&t->retry);
	loop_timer_stop(&t->stable);
	hop_stop(&t->server);
}

/* A server that stands alone is named where the message does not; of several it is said which. */
static void name_hop(const struct tunnel *t, struct err *why)
{
	const struct config_route *route = route_of(t);
	const struct connection_settings *c = &route->hops[t->failed_hop].connection;
	char text[ENDPOINT_TEXT_MAX];

	endpoint_format(text, c->host, (uint16_t)c->port);
	if (route->hop_count > 1)
		err_prefix(why, "hop %zu of %zu, %s@%s", t->failed_hop + 1, route->hop_count,
			   c->user, text);
	else if (!strstr(why->msg, c->host))
		err_prefix(why, "%s", text);
}

/* The session has gone, and why says what happens next. The jumps stay while it will be tried again: who
 * has logged in there with trouble is glad of it, and they tell the truth about themselves. */
static void fall_back(struct tunnel *t, const struct err *why)
{
	struct err error = *why;
	unsigned wait;

	name_hop(t, &error);
	if (err_wants_answer(error.code))
		err_append(&error, "; to answer: tunctl auth %s", t->spec->name);
	if (retry_is_for_a_person(&t->policy, error.code)) {
		jump_leave(&t->jump);
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

/* When a jump goes, what is behind it notices too, and may be heard first: the jump is the reason. */
static void fail(struct tunnel *t, const struct err *why)
{
	size_t hop = route_of(t)->hop_count - 1;
	const struct err *before = jump_failure(&t->jump, &hop);
	struct err error = before ? *before : *why; /* may be the attempt's own */

	t->failed_hop = hop;
	drop_session(t, true);
	fall_back(t, &error);
}

static void give_up_on_forward(struct tunnel *t, const struct err *why)
{
	struct err error = *why;

	err_prefix(&error, "exit_on_forward_failure");
	t->failed_hop = route_of(t)->hop_count - 1;
	drop_session(t, false);
	fall_back(t, &error);
}

static void on_retry(void *data)
{
	begin_attempt(data);
}

/* ---- the server ---- */

static void on_stable(void *data)
{
	struct tunnel *t = data;

	retry_stable(&t->policy);
}

static void on_start(void *data)
{
	struct tunnel *t = data;

	retry_admitted(&t->policy, loop_now_ms(t->parts->loop));
}

static void on_server_state(void *data)
{
	static const enum tunnel_state states[HOP_STATE_COUNT] = {
		[HOP_CONNECTING] = TUNNEL_CONNECTING,
		[HOP_VERIFYING] = TUNNEL_VERIFYING,
		[HOP_AUTHENTICATING] = TUNNEL_AUTHENTICATING,
	};
	struct tunnel *t = data;

	if (t->state != states[t->server.state])
		enter(t, states[t->server.state], NULL);
}

static void on_server_up(void *data)
{
	struct tunnel *t = data;

	enter(t, TUNNEL_OPENING, NULL);
	loop_timer_set(&t->stable, t->spec->upkeep.reconnect_stable_ms);
	retry_connected(&t->policy);
	t->serving = true;
	forwards_serve(&t->forwards, hop_session(&t->server));
	settle_connected(t);
}

static void on_rtt(void *data)
{
	struct tunnel *t = data;

	report_want_stats(t->parts->report);
}

static void on_lost(void *data, const struct err *err)
{
	fail(data, err);
}

static const struct hop_ops server_ops = {
	.on_start = on_start,
	.on_state = on_server_state,
	.on_up = on_server_up,
	.on_rtt = on_rtt,
	.on_lost = on_lost,
};

static void knock(struct tunnel *t)
{
	const struct config_route *route = route_of(t);
	struct attempt_for purpose = {
		.tunnel = t->id,
		.route = (unsigned)t->route,
		.hop = (unsigned)route->hop_count - 1,
		.through = t->jump.jump ? &t->jump : NULL,
	};

	hop_start(&t->server, config_server(t->spec, t->route), &t->spec->upkeep, &purpose,
		  forwards_have_waiting(&t->forwards));
}

/* ---- the jumps before it ---- */

static void on_jump_change(void *data)
{
	struct tunnel *t = data;
	const struct err *why;
	size_t hop;

	why = jump_failure(&t->jump, &hop);
	if (why && !is_at_rest(t) && !t->parting) {
		fail(t, why);
		return;
	}
	if (t->state == TUNNEL_CONNECTING && !t->parting && !hop_is_started(&t->server) &&
	    jump_session(&t->jump))
		knock(t);
	report(t);
}

static const struct jump_user_ops jump_ops = { .on_change = on_jump_change };

static enum jump_haste haste_of(const struct tunnel *t)
{
	if (t->afresh)
		return JUMP_AFRESH;
	return forwards_have_waiting(&t->forwards) ? JUMP_URGENT : JUMP_USUAL;
}

/* Keeps the one it has, if that is good and leads where it wants to go. */
static int join_jumps(struct tunnel *t, struct err *err)
{
	const struct config_route *route = route_of(t);
	enum jump_haste haste = haste_of(t);
	size_t hop;

	t->afresh = false;
	if (t->jump.jump && t->jump.route == t->route && !jump_failure(&t->jump, &hop))
		return 0;
	jump_leave(&t->jump);
	t->jump = (struct jump_user){
		.ops = &jump_ops, .data = t, .tunnel = t->id, .route = (unsigned)t->route
	};
	return jump_join(t->parts->jumps, &t->jump, route->hops, route->hop_count - 1, haste, err);
}

static void set_out(struct tunnel *t)
{
	struct err err;

	if (route_of(t)->hop_count == 1) {
		jump_leave(&t->jump);
		knock(t);
		return;
	}
	retry_admitted(&t->policy, loop_now_ms(t->parts->loop));
	if (join_jumps(t, &err) < 0)
		fail(t, &err);
	else if (jump_session(&t->jump))
		knock(t);
}

static void begin_attempt(struct tunnel *t)
{
	retry_begin(&t->policy);
	t->server.rtt_us = -1;
	t->server.facts = (struct wire_session){ 0 };
	enter(t, TUNNEL_CONNECTING, NULL);
	if (!t->parting)
		set_out(t);
}

/* Somebody waits: shorten the wait when the network was the reason, never otherwise. */
void tunnel_hurry(struct tunnel *t)
{
	uint64_t now_ms = loop_now_ms(t->parts->loop);
	unsigned wait = retry_hurried(&t->policy, now_ms);

	hop_hurry(&t->server);
	jump_hurry(&t->jump);
	if (t->state != TUNNEL_BACKOFF || !retry_is_of_network(t->error.code) ||
	    t->retry.due_ms <= now_ms + wait)
		return;
	loop_timer_set(&t->retry, wait);
	report(t);
}

/* ---- what the supervisor asks for ---- */

static void open_timers(struct tunnel *t)
{
	loop_timer_open(&t->retry, t->parts->loop, on_retry, t);
	loop_timer_open(&t->stable, t->parts->loop, on_stable, t);
	loop_defer_open(&t->settle, t->parts->loop, on_settle, t);
}

static void close_timers(struct tunnel *t)
{
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
	t->rtt_told = -1;
	list_init(&t->link);
	forwards_init(&t->forwards);
	apply_reconnect_bounds(t);
	open_timers(t);
	if (!t->retry.event || !t->stable.event ||
	    hop_open(&t->server, parts, &server_ops, t) < 0) {
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
	jump_leave(&t->jump);
	hop_close(&t->server);
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
		set_out(t);
}

static void replace_spec(struct tunnel *t, struct config_tunnel *spec)
{
	drop_session(t, false); /* the attempt borrows the old settings */
	jump_leave(&t->jump);
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
	hop_set_upkeep(&t->server, &t->spec->upkeep);
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
	jump_leave(&t->jump);
	forwards_hold(&t->forwards);
	retry_reset(&t->policy);
	t->stopping = t->parting;
	if (!t->stopping && t->state != TUNNEL_STOPPED)
		enter_stopped(t);
}

void tunnel_restart(struct tunnel *t)
{
	t->stopping = false;
	t->afresh = t->state == TUNNEL_BACKOFF || t->state == TUNNEL_FAILED;
	drop_session(t, false);
	forwards_hold(&t->forwards);
	retry_reset(&t->policy);
	begin_attempt(t);
}

void tunnel_wake(struct tunnel *t)
{
	hop_ask(&t->server);
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
