/* SPDX-License-Identifier: MIT */
#include "daemon/worker/tunnel.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/common/log.h"
#include "daemon/worker/parting.h"
#include "daemon/worker/tunnel_parts.h"
#include "lib/util.h"

/* ---- the state ---- */

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

void tunnel_enter(struct tunnel *t, enum tunnel_state next, const struct err *why)
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

/* ---- the end of an attempt or a session ---- */

static void on_parted(void *data);

/* A living session takes its leave, if the server listens for us or has something to pass on. */
static void part(struct tunnel *t, enum session_end how)
{
	struct session *s = path_session(t->path);

	forwards_take_leave(&t->forwards);
	if (how == SESSION_LEAVES ? !parting_is_due(s) : !session_is_cancelling(s))
		return;
	t->parting =
		parting_new(t->parts->partings, path_take_session(t->path), on_parted, t) != NULL;
}

void tunnel_drop_session(struct tunnel *t, enum session_end how)
{
	forwards_end_connections(&t->forwards, how == SESSION_BREAKS);
	if (t->serving && how != SESSION_BREAKS)
		part(t, how);
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
	tunnel_drop_session(t, SESSION_LEAVES);
	if (was_used)
		tunnel_tell_route(t, t->path->index, ROUTE_IDLE, NULL);
}

static void fail(struct tunnel *t, const struct err *why)
{
	tunnel_drop_session(t, SESSION_BREAKS);
	tunnel_round_failed(t, why);
}

static void give_up_on_forward(struct tunnel *t, const struct err *why)
{
	struct err error = *why;

	err_prefix(&error, "exit_on_forward_failure");
	path_name_hop(t->path, t->path->route->hop_count - 1, &error);
	tunnel_drop_session(t, SESSION_LEAVES);
	tunnel_round_failed(t, &error);
}

/* ---- the session ---- */

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
		tunnel_enter(t, next, why);
}

static void on_settle(void *data)
{
	struct tunnel *t = data;

	if (t->serving)
		forwards_go_on(&t->forwards);
	settle_connected(t);
	tunnel_better_consider(t);
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

/* ---- the path ---- */

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
	tunnel_enter(t, state_of_path(t), NULL);
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
		tunnel_enter(t, state_of_path(t), NULL);
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
	tunnel_enter(t, TUNNEL_OPENING, NULL);
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

/* ---- what the supervisor asks for ---- */

static void open_timers(struct tunnel *t)
{
	tunnel_round_open(t);
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
	tunnel_round_set_bounds(t);
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
	tunnel_enter(t, TUNNEL_STOPPED, NULL);
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
		tunnel_round_set_out(t);
	else if (t->state == TUNNEL_OPENING && !t->serving)
		serve(t);
}

void tunnel_start(struct tunnel *t)
{
	if (t->stopping || is_at_rest(t)) {
		tunnel_restart(t);
		return;
	}
	tunnel_round_forgive(t);
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
	tunnel_round_forgive(t);
	tunnel_round_begin(t);
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
