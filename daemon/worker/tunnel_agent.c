/* SPDX-License-Identifier: MIT */
/*
 * A tunnel that lacks a key waits for the agent as well as for time: it is started at login, and the
 * key is added by hand a minute later. The server is not asked again before there is another key to
 * show, except for the usual tries of a tunnel that is not `failed`.
 */
#include "daemon/worker/tunnel_parts.h"
#include "lib/util.h"

static void on_change(void *data)
{
	tunnel_agent_consider(data);
}

/* What waits is watched for, until there is something else to try. */
static bool has_changed(const struct tunnel *t, size_t route)
{
	return t->routes.items[route].awaits_agent && !t->agents[route].watch.agent;
}

void tunnel_agent_await(struct tunnel *t, const struct path *p)
{
	const struct connection_settings *c = &p->route->hops[p->failed_hop].connection;
	const char *agent = p->lacks_key ? connection_agent(c) : NULL;
	struct tunnel_agent *a = &t->agents[p->index];
	bool is_there;

	if (!agent)
		return;
	a->watch.on_change = on_change;
	a->watch.data = t;
	is_there = agents_watch(t->parts->agents, &a->watch, agent, a->tried_ms);
	t->routes.items[p->index].awaits_agent = is_there || a->watch.agent;
}

static void forget(struct tunnel *t, size_t route)
{
	agents_unwatch(&t->agents[route].watch);
	t->routes.items[route].awaits_agent = false;
}

void tunnel_agent_tried(struct tunnel *t, size_t route)
{
	forget(t, route);
	t->agents[route].tried_ms = loop_now_ms(t->parts->loop);
}

void tunnel_agent_forget(struct tunnel *t)
{
	for (size_t i = 0; i < t->routes.count; i++)
		forget(t, i);
}

/* Those that wait for this key, and no others: a changed host key is for a person to judge. False:
 * there are none. */
static bool reopen_routes(struct tunnel *t)
{
	bool any = false;

	for (size_t i = 0; i < t->routes.count; i++) {
		if (!has_changed(t, i))
			continue;
		any = true;
		if (routes_reopen(&t->routes, i))
			tunnel_tell_route(t, i, ROUTE_IDLE, NULL);
	}
	return any;
}

static void try_again(struct tunnel *t)
{
	uint64_t now_ms = loop_now_ms(t->parts->loop);
	unsigned wait = retry_mended(&t->policy, now_ms);

	forwards_hold(&t->forwards);
	t->afresh = true; /* what is remembered of jumps is what the agent had before */
	if (t->state == TUNNEL_BACKOFF && t->retry.due_ms <= now_ms + wait)
		return;
	loop_timer_set(&t->retry, wait);
	if (t->state == TUNNEL_BACKOFF)
		tunnel_report(t);
}

void tunnel_agent_consider(struct tunnel *t)
{
	bool waits = t->state == TUNNEL_BACKOFF || t->state == TUNNEL_FAILED;

	if (!waits && !t->serving)
		return; /* at the end of the round that is under way */
	if (!reopen_routes(t))
		return;
	if (waits)
		try_again(t);
	else
		tunnel_better_hurry(t, retry_mended(&t->policy, loop_now_ms(t->parts->loop)));
}
