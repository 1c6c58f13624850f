/* SPDX-License-Identifier: MIT */
/*
 * The way back to a better server. While another is in use, better ones are tried in the background from
 * time to time, the best first. One that has let us in waits until no connection is open on the session
 * in use, and the last words of those that were have been passed on, so that a move cuts nobody; should
 * that session break meanwhile, it takes over at once.
 */
#include "daemon/common/log.h"
#include "daemon/worker/session.h"
#include "daemon/worker/tunnel_parts.h"
#include "lib/util.h"

#define LAST_WORDS_MS 1000 /* for a server to close the channels of those who have left, */
#define LOOK_AGAIN_MS 10 /* and how often it is asked whether it has */

void tunnel_better_drop(struct tunnel *t)
{
	loop_timer_stop(&t->failback);
	if (!t->better)
		return;
	tunnel_tell_route(t, t->better->index, ROUTE_IDLE, NULL);
	path_free(TAKE(t->better));
}

void tunnel_better_await(struct tunnel *t)
{
	unsigned failback_ms = t->spec->failback_ms;
	size_t route;

	if (failback_ms > 0 && !t->better && routes_find_better(&t->routes, 0, &route))
		loop_timer_set(&t->failback, routes_patience_ms(&t->routes, failback_ms));
	else
		loop_timer_stop(&t->failback);
}

void tunnel_better_hurry(struct tunnel *t, unsigned wait_ms)
{
	if (!t->serving)
		return;
	if (!loop_timer_is_set(&t->failback))
		tunnel_better_await(t);
	if (loop_timer_is_set(&t->failback))
		loop_timer_set(&t->failback, wait_ms);
}

/* The best one from there on; after the last, all have to wait. */
static void try_from(struct tunnel *t, size_t from)
{
	size_t route;

	if (!routes_find_better(&t->routes, from, &route)) {
		path_free(TAKE(t->better));
		tunnel_better_await(t);
		return;
	}
	path_choose(t->better, &t->spec->routes[route], route);
	tunnel_tell_route(t, route, ROUTE_CONNECTING, NULL);
	path_start(t->better, &t->spec->upkeep, JUMP_USUAL);
}

static void on_failback(void *data)
{
	struct tunnel *t = data;

	if (t->better) { /* it was ready, but for last words */
		tunnel_better_consider(t);
		return;
	}
	if (!t->serving)
		return;
	t->better = path_new(t->parts, t->id, t->path->ops, t);
	if (t->better)
		try_from(t, 0);
	else
		tunnel_better_await(t);
}

void tunnel_better_lost(struct tunnel *t, const struct err *why)
{
	size_t route = t->better->index;
	struct err error = *why; /* may be the path's own */

	log_debug("tunnel '%s': the better server: %s", t->spec->name, error.msg);
	tunnel_round_note_failure(t, route, &error);
	path_stop(t->better);
	try_from(t, route + 1);
}

void tunnel_better_up(struct tunnel *t)
{
	routes_connected(&t->routes, t->better->index);
	tunnel_tell_route(t, t->better->index, ROUTE_STANDBY, NULL);
	loop_defer_schedule(&t->settle);
}

/* A server that is told good-bye forgets what it has not passed on yet. */
static bool is_still_passing(struct tunnel *t)
{
	uint64_t now = loop_now_ms(t->parts->loop);

	t->idle_ms = t->idle_ms ? t->idle_ms : now;
	if (session_member_count(path_session(t->path)) == 0 || now - t->idle_ms >= LAST_WORDS_MS)
		return false;
	loop_timer_set(&t->failback, LOOK_AGAIN_MS);
	return true;
}

void tunnel_better_consider(struct tunnel *t)
{
	if (!t->better || !path_session(t->better) || !t->serving ||
	    !tunnel_state_is_connected(t->state) || forwards_have_connections(&t->forwards)) {
		t->idle_ms = 0;
		return;
	}
	if (is_still_passing(t))
		return;
	t->idle_ms = 0;
	tunnel_drop_session(t, SESSION_HAS_WAITED);
	tunnel_tell_route(t, t->path->index, ROUTE_IDLE, NULL);
	forwards_hold(&t->forwards);
	retry_reset(&t->policy);
	tunnel_take_better(t);
}

/* So that it is ready at the right moment. */
void tunnel_better_note_idle(struct tunnel *t)
{
	if (t->better && path_session(t->better))
		loop_defer_schedule(&t->settle);
}

void tunnel_better_open(struct tunnel *t)
{
	loop_timer_open(&t->failback, t->parts->loop, on_failback, t);
}
