/* SPDX-License-Identifier: MIT */
/*
 * Both configurations are sorted by name, so one walk along both finds who is new, gone or still
 * there. The line a tunnel stands in does not count as a change: it moves with everything written
 * above it.
 */
#include "lib/config_diff.h"

#include <stdlib.h>
#include <string.h>

bool config_forward_equal(const struct config_forward *a, const struct config_forward *b)
{
	return a->type == b->type && a->port_count == b->port_count &&
	       config_end_equal(&a->listen, &b->listen) &&
	       config_end_equal(&a->target, &b->target) && streq(a->name, b->name) &&
	       strv_equal(&a->allow, &b->allow) && streq(a->user, b->user) &&
	       streq(a->password, b->password) && a->max_connections == b->max_connections &&
	       a->idle_timeout_ms == b->idle_timeout_ms && a->socket_mode == b->socket_mode &&
	       streq(a->socket_group, b->socket_group);
}

bool upkeep_settings_equal(const struct upkeep_settings *a, const struct upkeep_settings *b)
{
	return a->keepalive_interval_ms == b->keepalive_interval_ms &&
	       a->keepalive_count == b->keepalive_count &&
	       a->reconnect_min_ms == b->reconnect_min_ms &&
	       a->reconnect_max_ms == b->reconnect_max_ms &&
	       a->reconnect_stable_ms == b->reconnect_stable_ms &&
	       a->connect_timeout_ms == b->connect_timeout_ms && a->hold_ms == b->hold_ms &&
	       a->exit_on_forward_failure == b->exit_on_forward_failure;
}

bool config_route_equal(const struct config_route *a, const struct config_route *b)
{
	if (a->hop_count != b->hop_count)
		return false;
	for (size_t i = 0; i < a->hop_count; i++) {
		const struct config_hop *x = &a->hops[i], *y = &b->hops[i];
		bool is_server = i + 1 == a->hop_count; /* its upkeep is the tunnel's */

		if (!connection_settings_equal(&x->connection, &y->connection) ||
		    (!is_server && !upkeep_settings_equal(&x->upkeep, &y->upkeep)))
			return false;
	}
	return true;
}

static bool is_same_way(const struct config_tunnel *a, const struct config_tunnel *b)
{
	if (a->route_count != b->route_count)
		return false;
	for (size_t i = 0; i < a->route_count; i++) {
		if (!config_route_equal(&a->routes[i], &b->routes[i]))
			return false;
	}
	return true;
}

static bool is_same_upkeep(const struct config_tunnel *a, const struct config_tunnel *b)
{
	return upkeep_settings_equal(&a->upkeep, &b->upkeep) && a->prefer == b->prefer &&
	       a->failback_ms == b->failback_ms;
}

static int by_name(const void *a, const void *b)
{
	const struct config_forward *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

/* The forwards of tunnel by name; NULL: no memory. */
static const struct config_forward **sorted_forwards(const struct config_tunnel *tunnel)
{
	const struct config_forward **sorted;

	sorted = calloc(tunnel->forward_count, sizeof(struct config_forward *));
	if (!sorted)
		return NULL;
	for (size_t i = 0; i < tunnel->forward_count; i++)
		sorted[i] = &tunnel->forwards[i];
	qsort(sorted, tunnel->forward_count, sizeof(struct config_forward *), by_name);
	return sorted;
}

/* Whether both have the same forwards, in any order. -1: no memory. */
static int same_forwards(const struct config_tunnel *a, const struct config_tunnel *b)
{
	CLEANUP(freep) const struct config_forward **x = NULL;
	CLEANUP(freep) const struct config_forward **y = NULL;

	if (a->forward_count != b->forward_count)
		return 0;
	if (a->forward_count == 0)
		return 1;
	x = sorted_forwards(a);
	y = sorted_forwards(b);
	if (!x || !y)
		return -1;
	for (size_t i = 0; i < a->forward_count; i++) {
		if (!config_forward_equal(x[i], y[i]))
			return 0;
	}
	return 1;
}

static bool is_cosmetic(const struct config_tunnel *a, const struct config_tunnel *b)
{
	return a->start != b->start || !strv_equal(&a->tags, &b->tags) ||
	       !streq(a->source, b->source) || !streq(a->host, b->host);
}

/* What lies between two tunnels of one name. 1: something, 0: nothing, -1: no memory. */
static int compare(const struct config_tunnel *from, const struct config_tunnel *to,
		   struct tunnel_change *ret)
{
	int same = same_forwards(from, to);

	*ret = (struct tunnel_change){
		.kind = CONFIG_CHANGED,
		.from = from,
		.to = to,
		.reconnect = !is_same_way(from, to),
		.upkeep = !is_same_upkeep(from, to),
		.forwards = same == 0,
		.cosmetic = is_cosmetic(from, to),
	};
	if (same < 0)
		return -1;
	return ret->reconnect || ret->upkeep || ret->forwards || ret->cosmetic;
}

/* Calls itself once for each kind of change, so that they come out in the order they are to be
 * done. */
static int collect(const struct config *from, const struct config *to, enum config_change wanted,
		   struct config_diff *diff)
{
	size_t i = 0, j = 0;

	while (i < from->tunnel_count || j < to->tunnel_count) {
		const struct config_tunnel *a = i < from->tunnel_count ? from->tunnels[i] : NULL;
		const struct config_tunnel *b = j < to->tunnel_count ? to->tunnels[j] : NULL;
		int order = !a ? 1 : !b ? -1 : strcmp(a->name, b->name);
		struct tunnel_change change = { .kind = CONFIG_REMOVED, .from = a };
		int differs = 1;

		if (order > 0)
			change = (struct tunnel_change){ .kind = CONFIG_ADDED, .to = b };
		else if (order == 0 &&
			 (differs = wanted == CONFIG_CHANGED ? compare(a, b, &change) : 0) < 0)
			return -1;
		i += order <= 0;
		j += order >= 0;
		if (order == 0 && wanted == CONFIG_CHANGED && !differs)
			diff->unchanged++;
		if (differs && change.kind == wanted)
			diff->items[diff->count++] = change;
	}
	return 0;
}

int config_diff(const struct config *from, const struct config *to, struct config_diff *ret,
		struct err *err)
{
	static const enum config_change kinds[] = { CONFIG_REMOVED, CONFIG_CHANGED, CONFIG_ADDED };
	size_t most = from->tunnel_count + to->tunnel_count;

	*ret = (struct config_diff){ 0 };
	ret->items = calloc(MAX(most, (size_t)1), sizeof(*ret->items));
	if (!ret->items)
		return err_nomem(err);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (collect(from, to, kinds[i], ret) < 0) {
			config_diff_fini(ret);
			return err_nomem(err);
		}
	}
	return 0;
}

void config_diff_fini(struct config_diff *diff)
{
	free(diff->items);
	*diff = (struct config_diff){ 0 };
}
