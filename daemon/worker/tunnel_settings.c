/* SPDX-License-Identifier: MIT */
/*
 * Other settings for a tunnel that lives: what can be applied in place is, and a session with a server
 * that is still wanted goes on, wherever it stands in the list now.
 */
#include "daemon/worker/tunnel_parts.h"
#include "lib/config_diff.h"

static void replace_routes(struct tunnel *t, const struct config_tunnel *spec)
{
	tunnel_agent_forget(t);
	routes_fini(&t->routes);
	routes_init(&t->routes, spec->route_count, spec->prefer);
	t->served_route = SIZE_MAX;
}

/* The session in use is still wanted, wherever it stands in the list now: it goes on with the settings
 * that it borrows, which change places with the equal new ones. */
static bool keep_session(struct tunnel *t, struct config_tunnel *spec)
{
	struct config_route *old = &t->spec->routes[t->path->index], kept;
	size_t i = 0;

	while (i < spec->route_count && !config_route_equal(&spec->routes[i], old))
		i++;
	if (!t->serving || i == spec->route_count)
		return false;
	replace_routes(t, spec);
	kept = *old;
	*old = spec->routes[i];
	spec->routes[i] = kept;
	path_rename(t->path, &spec->routes[i], i);
	path_set_upkeep(t->path, &spec->upkeep);
	t->routes.current = t->served_route = i;
	routes_connected(&t->routes, i);
	return true;
}

static void replace_spec(struct tunnel *t, struct config_tunnel *spec)
{
	tunnel_drop_all(t); /* the attempt borrows the old settings */
	path_leave_jumps(t->path);
	replace_routes(t, spec);
	path_choose(t->path, &spec->routes[0], 0);
}

/* Whether the session, if there is one, has to go. */
static bool change_routes(struct tunnel *t, struct config_tunnel *spec)
{
	bool keep;

	tunnel_better_drop(t);
	keep = keep_session(t, spec);
	if (!keep)
		replace_spec(t, spec);
	config_tunnel_free(t->spec);
	t->spec = spec;
	for (size_t i = 0; i < t->routes.count; i++)
		tunnel_tell_route(t, i, keep && i == t->routes.current ? ROUTE_UP : ROUTE_IDLE,
				  NULL);
	if (keep) {
		tunnel_report(t);
		tunnel_better_await(t);
	}
	return !keep;
}

/* The attempt under way goes on, and with it the connection settings that it borrows. */
static void replace_upkeep(struct tunnel *t, struct config_tunnel *spec)
{
	t->spec->upkeep = spec->upkeep;
	t->spec->prefer = t->routes.prefer = spec->prefer;
	t->spec->failback_ms = spec->failback_ms;
	config_tunnel_free(spec);
	path_set_upkeep(t->path, &t->spec->upkeep);
	tunnel_better_drop(t);
	if (t->serving)
		tunnel_better_await(t);
}

void tunnel_set(struct tunnel *t, struct config_tunnel *spec, bool reconnect)
{
	bool stopped = t->stopping || t->state == TUNNEL_STOPPED;

	if (reconnect)
		reconnect = change_routes(t, spec);
	else
		replace_upkeep(t, spec);
	tunnel_round_set_bounds(t);
	forwards_set_hold(&t->forwards, t->spec->upkeep.hold_ms);
	if (reconnect && !stopped)
		tunnel_restart(t);
}
