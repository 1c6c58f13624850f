/* SPDX-License-Identifier: MIT */
/*
 * Which server is tried, and when. A round goes along a tunnel's servers, one attempt each, in the order
 * that routes.c knows. After the last one there is a wait, as long as retry.c says, unless every server
 * has to be seen to by a person first: then the tunnel is `failed`.
 */
#include "daemon/worker/hostkey.h"
#include "daemon/worker/tunnel_parts.h"
#include "lib/str.h"
#include "lib/util.h"

/* ---- the beginning ---- */

void tunnel_round_forgive(struct tunnel *t)
{
	for (size_t i = 0; i < t->routes.count; i++) {
		if (t->routes.items[i].closed)
			tunnel_tell_route(t, i, ROUTE_IDLE, NULL);
	}
	routes_forgive(&t->routes);
}

static const struct config_route *route_of(const struct tunnel *t)
{
	return &t->spec->routes[t->routes.current];
}

static enum jump_haste haste_of(const struct tunnel *t)
{
	if (t->afresh)
		return JUMP_AFRESH;
	return forwards_have_waiting(&t->forwards) ? JUMP_URGENT : JUMP_USUAL;
}

void tunnel_round_set_out(struct tunnel *t)
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
	tunnel_enter(t, TUNNEL_CONNECTING, why_not_another);
	if (!t->parting)
		tunnel_round_set_out(t);
}

void tunnel_round_begin(struct tunnel *t)
{
	routes_begin(&t->routes);
	begin_attempt(t, NULL);
}

static void on_retry(void *data)
{
	tunnel_round_begin(data);
}

static void on_stable(void *data)
{
	struct tunnel *t = data;

	retry_stable(&t->policy);
	routes_stable(&t->routes);
}

/* ---- the end ---- */

/* A message about a host key has the command that accepts it. */
static void name_command(const struct tunnel *t, struct err *why)
{
	CLEANUP(freep) char *named = str_printf(HOSTKEY_COMMAND "%s", t->spec->name);

	if (named)
		err_replace(why, HOSTKEY_COMMAND HOSTKEY_NAME, named);
}

void tunnel_round_note_failure(struct tunnel *t, size_t route, struct err *why)
{
	if (err_wants_answer(why->code))
		err_append(why, "; to answer: tunctl auth %s", t->spec->name);
	name_command(t, why);
	routes_failed(&t->routes, route, why);
	tunnel_agent_await(t, t->better && t->better->index == route ? t->better : t->path);
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
		tunnel_enter(t, TUNNEL_FAILED, &error);
		tunnel_agent_consider(t);
		return;
	}
	forwards_hold(&t->forwards);
	wait = retry_wait(&t->policy, error.code, forwards_have_waiting(&t->forwards),
			  loop_now_ms(t->parts->loop));
	loop_timer_set(&t->retry, wait);
	tunnel_enter(t, TUNNEL_BACKOFF, &error);
	tunnel_agent_consider(t);
}

/* The jumps stay while the server will be tried again: who has logged in there with trouble is glad of
 * it, and they tell the truth about themselves. */
void tunnel_round_failed(struct tunnel *t, const struct err *why)
{
	struct err error = *why;

	tunnel_round_note_failure(t, t->path->index, &error);
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

/* ---- the wait ---- */

/* A wait that another network, or a client, may end sooner. */
static bool waits_for_network(const struct tunnel *t)
{
	return t->state == TUNNEL_BACKOFF && retry_is_of_network(t->error.code);
}

/* Somebody waits: shorten the wait when the network was the reason, never otherwise. */
void tunnel_round_hurry(struct tunnel *t)
{
	uint64_t now_ms = loop_now_ms(t->parts->loop);
	unsigned wait = retry_hurried(&t->policy, now_ms);

	path_hurry(t->path);
	if (!waits_for_network(t) || t->retry.due_ms <= now_ms + wait)
		return;
	loop_timer_set(&t->retry, wait);
	tunnel_report(t);
}

void tunnel_wake(struct tunnel *t)
{
	path_ask(t->path);
	if (t->better)
		path_ask(t->better);
	else
		tunnel_better_hurry(t, retry_woken(&t->policy, loop_now_ms(t->parts->loop)));
	if (!waits_for_network(t))
		return;
	retry_reset(&t->policy);
	loop_timer_set(&t->retry, retry_woken(&t->policy, loop_now_ms(t->parts->loop)));
	tunnel_report(t);
}

void tunnel_round_set_bounds(struct tunnel *t)
{
	retry_set_bounds(&t->policy, t->spec->upkeep.reconnect_min_ms,
			 t->spec->upkeep.reconnect_max_ms);
}

void tunnel_round_open(struct tunnel *t)
{
	loop_timer_open(&t->retry, t->parts->loop, on_retry, t);
	loop_timer_open(&t->stable, t->parts->loop, on_stable, t);
}
