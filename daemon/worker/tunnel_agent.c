/* SPDX-License-Identifier: MIT */
/*
 * A tunnel that lacks a key waits for the agent as well as for time: it is started at login, and the
 * key is added by hand a minute later. The server is not asked again before there is another key to
 * show, except for the usual tries of a tunnel that is not `failed`.
 */
#include "daemon/worker/tunnel_parts.h"
#include "lib/util.h"

/* Whether another key in the agent may be all that it takes. Who was refused, or asked for a password,
 * would use one only where the agent's keys belong to the list. */
static bool may_help(const struct connection_settings *c, enum err_code code)
{
	switch (code) {
	case ERR_AGENT:
	case ERR_AGENT_LACKS:
	case ERR_PASSPHRASE:
		return true;
	case ERR_AUTH:
	case ERR_PASSWORD:
	case ERR_ANSWER:
		return c->identities_implied || strv_contains(&c->identities, IDENTITY_AGENT);
	default:
		return false;
	}
}

static void on_change(void *data)
{
	struct tunnel *t = data;

	t->agent_changed = true;
	tunnel_agent_consider(t);
}

/* The first of a round counts: mostly all servers are for the same agent. */
void tunnel_agent_await(struct tunnel *t, const struct path *p, enum err_code code)
{
	const struct connection_settings *c = &p->route->hops[p->failed_hop].connection;
	const char *agent = may_help(c, code) ? connection_agent(c) : NULL;
	uint64_t since_ms = p == t->path ? t->policy.started_ms : loop_now_ms(t->parts->loop);

	if (!agent)
		return;
	t->routes.items[p->index].awaits_agent = true;
	if (t->agent.agent)
		return;
	t->agent.on_change = on_change;
	t->agent.data = t;
	t->agent_changed |= agents_watch(t->parts->agents, &t->agent, agent, since_ms);
}

void tunnel_agent_forget(struct tunnel *t)
{
	agents_unwatch(&t->agent);
	t->agent_changed = false;
}

/* Those that wait for a key, and no others: a changed host key is for a person to judge. */
static void reopen_routes(struct tunnel *t)
{
	for (size_t i = 0; i < t->routes.count; i++) {
		if (routes_reopen(&t->routes, i))
			tunnel_tell_route(t, i, ROUTE_IDLE, NULL);
	}
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

	if (!t->agent_changed || (!waits && !t->serving))
		return; /* at the end of the round that is under way */
	t->agent_changed = false;
	reopen_routes(t);
	if (waits)
		try_again(t);
	else
		tunnel_better_hurry(t, retry_mended(&t->policy, loop_now_ms(t->parts->loop)));
}
