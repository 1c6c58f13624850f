/* SPDX-License-Identifier: MIT */
#include "daemon/worker/tunnel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/common/log.h"
#include "daemon/worker/hostkey.h"
#include "daemon/worker/parting.h"
#include "daemon/worker/tunnel_parts.h"
#include "lib/str.h"
#include "lib/util.h"

static void begin_round(struct tunnel *t);
static void fail(struct tunnel *t, const struct err *why);

/* ---- the state ---- */

static const struct config_route *route_of(const struct tunnel *t)
{
	return &t->spec->routes[t->routes.current];
}

static bool is_at_rest(const struct tunnel *t)
{
	return t->state == TUNNEL_STOPPED || t->state == TUNNEL_BACKOFF ||
	       t->state == TUNNEL_FAILED;
}

void tunnel_report(struct tunnel *t)
{
	struct wire_hop jumps[CONFIG_HOPS_MAX];
	struct wire_tunnel_state state = {
		.tunnel = t->id,
		.state = t->state,
		.attempt = t->policy.attempts,
		.route = (unsigned)t->path->index,
		.error = t->error,
		.session = t->path->server.facts,
		.jumps = jumps,
		.jump_count = path_describe_jumps(t->path, &t->error, jumps),
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
	tunnel_report(t);
}

/* Of several servers each has a state of its own; one alone is in that of its tunnel. */
void tunnel_tell_route(struct tunnel *t, size_t route, enum route_state state,
		       const struct err *why)
{
	struct wire_route_state report = { .tunnel = t->id,
					   .route = (unsigned)route,
					   .state = state };

	if (t->routes.count == 1)
		return;
	if (why)
		report.error = *why;
	report_route(t->parts->report, &report);
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
	tunnel_better_consider(t);
}

/* ---- the end of an attempt or a session ---- */

static void on_parted(void *data);

/* A living session on which the server listens for us takes its leave first. */
static void part(struct tunnel *t)
{
	forwards_take_leave(&t->forwards);
	if (!session_is_cancelling(path_session(t->path)))
		return;
	t->parting =
		parting_new(t->parts->partings, path_take_session(t->path), on_parted, t) != NULL;
}

/* reset: it is broken, and what was on its way is lost. */
void tunnel_drop_session(struct tunnel *t, bool reset)
{
	forwards_end_connections(&t->forwards, reset);
	if (t->serving && !reset)
		part(t);
	t->serving = false;
	loop_timer_stop(&t->retry);
	loop_timer_stop(&t->stable);
	loop_timer_stop(&t->failback);
	path_stop(t->path);
}

/* Both of them: everything begins anew. */
void tunnel_drop_all(struct tunnel *t)
{
	bool was_used = t->path->started;

	tunnel_better_drop(t);
	tunnel_drop_session(t, false);
	if (was_used)
		tunnel_tell_route(t, t->path->index, ROUTE_IDLE, NULL);
}

static void begin_attempt(struct tunnel *t, const struct err *why_not_another);

/* A message about a host key has the command that accepts it. */
static void name_command(const struct tunnel *t, struct err *why)
{
	CLEANUP(freep) char *named = str_printf(HOSTKEY_COMMAND "%s", t->spec->name);

	if (named)
		err_replace(why, HOSTKEY_COMMAND HOSTKEY_NAME, named);
}

/* A server, in use or in the background, cannot be reached (any more); why learns what to do about it. */
void tunnel_note_failure(struct tunnel *t, size_t route, struct err *why)
{
	if (err_wants_answer(why->code))
		err_append(why, "; to answer: tunctl auth %s", t->spec->name);
	name_command(t, why);
	routes_failed(&t->routes, route, why);
	tunnel_agent_await(t, t->better && t->better->index == route ? t->better : t->path,
			   why->code);
	tunnel_tell_route(t, route, t->routes.items[route].closed ? ROUTE_FAILED : ROUTE_DOWN, why);
}

/* No server is left to try in this round. */
static void end_round(struct tunnel *t, const struct err *why)
{
	struct err error = *why;
	unsigned wait;

	if (t->routes.count > 1)
		routes_explain(&t->routes, &error);
	if (routes_are_closed(&t->routes)) {
		path_leave_jumps(t->path);
		forwards_refuse(&t->forwards);
		enter(t, TUNNEL_FAILED, &error);
		tunnel_agent_consider(t);
		return;
	}
	forwards_hold(&t->forwards);
	wait = retry_wait(&t->policy, error.code, forwards_have_waiting(&t->forwards),
			  loop_now_ms(t->parts->loop));
	loop_timer_set(&t->retry, wait);
	enter(t, TUNNEL_BACKOFF, &error);
	tunnel_agent_consider(t);
}

/* The session has gone, and why says what happens next. The jumps stay while it will be tried again: who
 * has logged in there with trouble is glad of it, and they tell the truth about themselves. */
static void fall_back(struct tunnel *t, const struct err *why)
{
	struct err error = *why;

	tunnel_note_failure(t, t->path->index, &error);
	if (t->better) {
		forwards_hold(&t->forwards);
		tunnel_take_better(t);
	} else if (routes_next(&t->routes)) {
		forwards_hold(&t->forwards);
		begin_attempt(t, &error);
	} else {
		end_round(t, &error);
	}
}

static void fail(struct tunnel *t, const struct err *why)
{
	tunnel_drop_session(t, true);
	fall_back(t, why);
}

static void give_up_on_forward(struct tunnel *t, const struct err *why)
{
	struct err error = *why;

	err_prefix(&error, "exit_on_forward_failure");
	path_name_hop(t->path, t->path->route->hop_count - 1, &error);
	tunnel_drop_session(t, false);
	fall_back(t, &error);
}

static void on_retry(void *data)
{
	begin_round(data);
}

/* ---- the path ---- */

static void on_stable(void *data)
{
	struct tunnel *t = data;

	retry_stable(&t->policy);
	routes_stable(&t->routes);
}

/* What one server has done says nothing of another. */
static void note_server(struct tunnel *t)
{
	if (t->served_route != SIZE_MAX && t->served_route != t->routes.current)
		forwards_change_server(&t->forwards);
	t->served_route = t->routes.current;
}

static void serve(struct tunnel *t)
{
	loop_timer_set(&t->stable, t->spec->upkeep.reconnect_stable_ms);
	routes_connected(&t->routes, t->routes.current);
	t->serving = true;
	t->rtt_told = -1; /* one that stood by has measured already */
	report_want_stats(t->parts->report);
	tunnel_tell_route(t, t->routes.current, ROUTE_UP, NULL);
	tunnel_better_await(t);
	note_server(t);
	forwards_serve(&t->forwards, path_session(t->path));
	settle_connected(t);
	tunnel_agent_consider(t);
}

/* The state that leads to up, as far as the path got. */
static enum tunnel_state state_of_path(const struct tunnel *t)
{
	static const enum tunnel_state states[HOP_STATE_COUNT] = {
		[HOP_WAITING] = TUNNEL_CONNECTING,  [HOP_CONNECTING] = TUNNEL_CONNECTING,
		[HOP_VERIFYING] = TUNNEL_VERIFYING, [HOP_AUTHENTICATING] = TUNNEL_AUTHENTICATING,
		[HOP_UP] = TUNNEL_OPENING,
	};

	return states[path_state(t->path)];
}

/* As far as it got when it was the better one. The session before it may still take its leave. */
void tunnel_take_better(struct tunnel *t)
{
	path_free(t->path);
	t->path = TAKE(t->better);
	loop_timer_stop(&t->failback);
	routes_go_back(&t->routes, t->path->index);
	retry_begin(&t->policy);
	if (forwards_have_waiting(&t->forwards))
		path_hurry(t->path);
	enter(t, state_of_path(t), NULL);
	if (t->state == TUNNEL_OPENING && !t->parting)
		serve(t);
}

static void on_path_start(void *data, struct path *p)
{
	struct tunnel *t = data;

	tunnel_agent_tried(t, p->index);
	if (p == t->path)
		retry_admitted(&t->policy, loop_now_ms(t->parts->loop));
}

static void on_path_change(void *data, struct path *p)
{
	struct tunnel *t = data;

	if (p != t->path)
		return;
	if (p->started && !t->serving && t->state != state_of_path(t))
		enter(t, state_of_path(t), NULL);
	else if (p->route->hop_count > 1)
		tunnel_report(t);
}

static void on_path_up(void *data, struct path *p)
{
	struct tunnel *t = data;

	if (p != t->path) {
		tunnel_better_up(t);
		return;
	}
	enter(t, TUNNEL_OPENING, NULL);
	if (!t->parting)
		serve(t);
}

static void on_path_rtt(void *data, struct path *p)
{
	struct tunnel *t = data;

	if (p == t->path)
		report_want_stats(t->parts->report);
}

static void on_path_lost(void *data, struct path *p, const struct err *why)
{
	struct tunnel *t = data;

	if (p == t->path)
		fail(t, why);
	else
		tunnel_better_lost(t, why);
}

static const struct path_ops path_ops = {
	.on_start = on_path_start,
	.on_change = on_path_change,
	.on_up = on_path_up,
	.on_rtt = on_path_rtt,
	.on_lost = on_path_lost,
};

static enum jump_haste haste_of(const struct tunnel *t)
{
	if (t->afresh)
		return JUMP_AFRESH;
	return forwards_have_waiting(&t->forwards) ? JUMP_URGENT : JUMP_USUAL;
}

static void set_out(struct tunnel *t)
{
	enum jump_haste haste = haste_of(t);

	t->afresh = false;
	path_start(t->path, &t->spec->upkeep, haste);
}

/* why_not_another: what the server before this one said in this round, or NULL. */
static void begin_attempt(struct tunnel *t, const struct err *why_not_another)
{
	retry_begin(&t->policy);
	path_choose(t->path, route_of(t), t->routes.current);
	tunnel_tell_route(t, t->routes.current, ROUTE_CONNECTING, NULL);
	enter(t, TUNNEL_CONNECTING, why_not_another);
	if (!t->parting)
		set_out(t);
}

static void begin_round(struct tunnel *t)
{
	routes_begin(&t->routes);
	begin_attempt(t, NULL);
}

/* Somebody waits: shorten the wait when the network was the reason, never otherwise. */
void tunnel_hurry(struct tunnel *t)
{
	uint64_t now_ms = loop_now_ms(t->parts->loop);
	unsigned wait = retry_hurried(&t->policy, now_ms);

	path_hurry(t->path);
	if (t->state != TUNNEL_BACKOFF || !retry_is_of_network(t->error.code) ||
	    t->retry.due_ms <= now_ms + wait)
		return;
	loop_timer_set(&t->retry, wait);
	tunnel_report(t);
}

/* ---- what the supervisor asks for ---- */

static void open_timers(struct tunnel *t)
{
	loop_timer_open(&t->retry, t->parts->loop, on_retry, t);
	loop_timer_open(&t->stable, t->parts->loop, on_stable, t);
	tunnel_better_open(t);
	loop_defer_open(&t->settle, t->parts->loop, on_settle, t);
}

static void close_timers(struct tunnel *t)
{
	loop_timer_close(&t->retry);
	loop_timer_close(&t->stable);
	loop_timer_close(&t->failback);
	loop_defer_close(&t->settle);
}

static void destroy(void *data)
{
	struct tunnel *t = data;

	config_tunnel_free(t->spec);
	routes_fini(&t->routes);
	free(t);
}

void tunnel_apply_bounds(struct tunnel *t)
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
	t->served_route = SIZE_MAX;
	list_init(&t->link);
	forwards_init(&t->forwards);
	tunnel_apply_bounds(t);
	open_timers(t);
	t->path = path_new(parts, id, &path_ops, t);
	if (!t->retry.event || !t->stable.event || !t->failback.event || !t->path) {
		path_free(t->path);
		close_timers(t);
		destroy(t);
		err_nomem(err);
		return NULL;
	}
	routes_init(&t->routes, spec->route_count, spec->prefer);
	path_choose(t->path, &spec->routes[0], 0);
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
	tunnel_agent_forget(t);
	tunnel_drop_all(t);
	path_free(TAKE(t->path));
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
	else if (t->state == TUNNEL_CONNECTING && !t->path->started)
		set_out(t);
	else if (t->state == TUNNEL_OPENING && !t->serving)
		serve(t);
}

/* All may be tried again. */
static void forgive(struct tunnel *t)
{
	for (size_t i = 0; i < t->routes.count; i++) {
		if (t->routes.items[i].closed)
			tunnel_tell_route(t, i, ROUTE_IDLE, NULL);
	}
	routes_forgive(&t->routes);
}

void tunnel_start(struct tunnel *t)
{
	if (t->stopping || is_at_rest(t)) {
		tunnel_restart(t);
		return;
	}
	forgive(t);
	tunnel_better_hurry(t, 0);
}

void tunnel_stop(struct tunnel *t)
{
	tunnel_agent_forget(t);
	tunnel_drop_all(t);
	path_leave_jumps(t->path);
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
	tunnel_agent_forget(t);
	tunnel_drop_all(t);
	forwards_hold(&t->forwards);
	retry_reset(&t->policy);
	forgive(t);
	begin_round(t);
}

void tunnel_wake(struct tunnel *t)
{
	path_ask(t->path);
	if (t->better)
		path_ask(t->better);
	else
		tunnel_better_hurry(t, retry_woken(&t->policy, loop_now_ms(t->parts->loop)));
	if (t->state != TUNNEL_BACKOFF || !retry_is_of_network(t->error.code))
		return;
	retry_reset(&t->policy);
	loop_timer_set(&t->retry, retry_woken(&t->policy, loop_now_ms(t->parts->loop)));
	tunnel_report(t);
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
