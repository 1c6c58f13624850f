/* SPDX-License-Identifier: MIT */
#include "daemon/supervisor/servers.h"

#include <stdlib.h>

#include "daemon/supervisor/kept_error.h"
#include "lib/util.h"

static const enum route_state alone[TUNNEL_STATE_COUNT] = {
	[TUNNEL_STOPPED] = ROUTE_IDLE,         [TUNNEL_CONNECTING] = ROUTE_CONNECTING,
	[TUNNEL_VERIFYING] = ROUTE_CONNECTING, [TUNNEL_AUTHENTICATING] = ROUTE_CONNECTING,
	[TUNNEL_OPENING] = ROUTE_UP,           [TUNNEL_UP] = ROUTE_UP,
	[TUNNEL_DEGRADED] = ROUTE_UP,          [TUNNEL_BACKOFF] = ROUTE_DOWN,
	[TUNNEL_FAILED] = ROUTE_FAILED,
};

static bool is_trouble(enum route_state state)
{
	return state == ROUTE_DOWN || state == ROUTE_FAILED;
}

void servers_get(const struct tunnel *t, size_t route, struct server *ret)
{
	*ret = (struct server){ .state = ROUTE_IDLE };
	if (t->spec->route_count == 1) {
		ret->state = alone[t->state];
		ret->error = is_trouble(ret->state) ? t->error : NULL;
		ret->since_ms = t->since_ms;
	} else if (route < t->server_count) {
		*ret = t->servers[route];
	}
}

static int reserve(struct tunnel *t)
{
	if (t->server_count == t->spec->route_count)
		return 0;
	servers_forget(t);
	t->servers = calloc(t->spec->route_count, sizeof(*t->servers));
	t->server_count = t->servers ? t->spec->route_count : 0;
	return t->servers ? 0 : -1;
}

struct server *servers_enter(struct tunnel *t, const struct wire_route_state *report)
{
	struct server *s;

	if (report->route >= t->spec->route_count || reserve(t) < 0)
		return NULL;
	s = &t->servers[report->route];
	if (s->since_ms && s->state == report->state && kept_error_is(s->error, &report->error))
		return NULL;
	if (s->since_ms == 0 || s->state != report->state)
		s->since_ms = realtime_ms();
	s->state = report->state;
	kept_error_set(&s->error, &report->error);
	tunnel_touch(t);
	return s;
}

void servers_forget(struct tunnel *t)
{
	for (size_t i = 0; i < t->server_count; i++)
		free(t->servers[i].error);
	free(t->servers);
	t->servers = NULL;
	t->server_count = 0;
}

bool servers_need_person(const struct tunnel *t)
{
	for (size_t i = 0; i < t->server_count; i++) {
		if (t->servers[i].state == ROUTE_FAILED)
			return true;
	}
	return false;
}
