/* SPDX-License-Identifier: MIT */
/*
 * The values of a configuration: who owns what, copies, the ordered list of tunnels, and the words
 * of the small enums. How a configuration is read stands in config_load.c.
 */
#include "lib/config.h"

#include <stdlib.h>
#include <string.h>

#include "lib/config_layer.h"
#include "lib/endpoint.h"
#include "lib/str.h"

static const char *const forward_type_names[FORWARD_TYPE_COUNT] = {
	[FORWARD_LOCAL] = "local",
	[FORWARD_REMOTE] = "remote",
	[FORWARD_DYNAMIC] = "dynamic",
};

static const char *const end_kind_names[END_KIND_COUNT] = {
	[END_TCP] = "tcp",
	[END_UNIX] = "unix",
	[END_PROXY] = "proxy",
};

static const char *const start_mode_names[START_MODE_COUNT] = {
	[START_ALWAYS] = "always",
	[START_MANUAL] = "manual",
};

static const char *const prefer_mode_names[PREFER_MODE_COUNT] = {
	[PREFER_FIRST] = "first",
	[PREFER_ANY] = "any",
};

static const char *const log_level_names[LOG_LEVEL_COUNT] = {
	[LOG_ERROR] = "error",
	[LOG_WARNING] = "warning",
	[LOG_INFO] = "info",
	[LOG_DEBUG] = "debug",
};

static const char *word_at(const char *const *words, size_t count, size_t index)
{
	return index < count ? words[index] : "unknown";
}

static int word_find(const char *const *words, size_t count, const char *word)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(words[i], word) == 0)
			return (int)i;
	}
	return -1;
}

const char *forward_type_name(enum forward_type type)
{
	return word_at(forward_type_names, FORWARD_TYPE_COUNT, type);
}

int forward_type_from_name(const char *name)
{
	return word_find(forward_type_names, FORWARD_TYPE_COUNT, name);
}

const char *end_kind_name(enum end_kind kind)
{
	return word_at(end_kind_names, END_KIND_COUNT, kind);
}

int end_kind_from_name(const char *name)
{
	return word_find(end_kind_names, END_KIND_COUNT, name);
}

const char *start_mode_name(enum start_mode mode)
{
	return word_at(start_mode_names, START_MODE_COUNT, mode);
}

const char *prefer_mode_name(enum prefer_mode mode)
{
	return word_at(prefer_mode_names, PREFER_MODE_COUNT, mode);
}

int prefer_mode_from_name(const char *name)
{
	return word_find(prefer_mode_names, PREFER_MODE_COUNT, name);
}

int start_mode_from_name(const char *name)
{
	return word_find(start_mode_names, START_MODE_COUNT, name);
}

const char *log_level_name(enum log_level level)
{
	return word_at(log_level_names, LOG_LEVEL_COUNT, level);
}

int log_level_from_name(const char *name)
{
	return word_find(log_level_names, LOG_LEVEL_COUNT, name);
}

bool config_name_is_valid(const char *name)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "abcdefghijklmnopqrstuvwxyz"
				      "0123456789._-";
	size_t length = strlen(name);

	return length >= 1 && length <= CONFIG_NAME_MAX && strspn(name, allowed) == length;
}

void config_forward_fini(struct config_forward *forward)
{
	free(forward->name);
	free(forward->listen.host);
	free(forward->target.host);
	strv_fini(&forward->allow);
	free(forward->user);
	free(forward->password);
	free(forward->socket_group);
	*forward = (struct config_forward){ 0 };
}

void config_route_fini(struct config_route *route)
{
	for (size_t i = 0; i < route->hop_count; i++)
		connection_settings_fini(&route->hops[i].connection);
	free(route->hops);
	free(route->host);
	*route = (struct config_route){ 0 };
}

int config_route_copy(struct config_route *to, const struct config_route *from)
{
	*to = (struct config_route){ .host = strdup(from->host) };
	to->hops = calloc(from->hop_count, sizeof(*to->hops));
	for (; to->host && to->hops && to->hop_count < from->hop_count; to->hop_count++) {
		const struct config_hop *hop = &from->hops[to->hop_count];

		to->hops[to->hop_count].upkeep = hop->upkeep;
		if (connection_settings_copy(&to->hops[to->hop_count].connection,
					     &hop->connection) < 0)
			break;
	}
	if (to->host && to->hops && to->hop_count == from->hop_count)
		return 0;
	config_route_fini(to);
	return -1;
}

const struct connection_settings *config_server(const struct config_tunnel *tunnel, size_t route)
{
	const struct config_route *r = &tunnel->routes[route];

	return &r->hops[r->hop_count - 1].connection;
}

const struct connection_settings *config_hop_settings(const struct config_tunnel *tunnel,
						      size_t route, size_t hop)
{
	if (route >= tunnel->route_count || hop >= tunnel->routes[route].hop_count)
		return NULL;
	return &tunnel->routes[route].hops[hop].connection;
}

const struct connection_settings *config_named_hop(const struct config_tunnel *tunnel, size_t route,
						   size_t hop, const char *name)
{
	const struct connection_settings *c = config_hop_settings(tunnel, route, hop);
	char found[CONNECTION_NAME_MAX];

	return c && strcmp(connection_name(found, c), name) == 0 ? c : NULL;
}

void config_tunnel_free(struct config_tunnel *tunnel)
{
	if (!tunnel)
		return;
	for (size_t i = 0; i < tunnel->forward_count; i++)
		config_forward_fini(&tunnel->forwards[i]);
	free(tunnel->forwards);
	for (size_t i = 0; i < tunnel->route_count; i++)
		config_route_fini(&tunnel->routes[i]);
	free(tunnel->routes);
	strv_fini(&tunnel->tags);
	free(tunnel->name);
	free(tunnel->host);
	free(tunnel->source);
	free(tunnel);
}

/* The index of name, or where it would have to be inserted. */
static size_t find_slot(const struct config *config, const char *name)
{
	size_t low = 0, high = config->tunnel_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(config->tunnels[middle]->name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct config_tunnel *config_find(const struct config *config, const char *name)
{
	size_t slot = find_slot(config, name);

	if (slot == config->tunnel_count || strcmp(config->tunnels[slot]->name, name) != 0)
		return NULL;
	return config->tunnels[slot];
}

int config_insert(struct config *config, struct config_tunnel *tunnel)
{
	size_t slot = find_slot(config, tunnel->name), count = config->tunnel_count;

	/* The array has room for the next power of two; what was removed only leaves more. */
	if ((count & (count - 1)) == 0) {
		size_t capacity = count ? 2 * count : 1;
		struct config_tunnel **tunnels;

		tunnels = realloc(config->tunnels, capacity * sizeof(struct config_tunnel *));
		if (!tunnels)
			return -1;
		config->tunnels = tunnels;
	}
	memmove(config->tunnels + slot + 1, config->tunnels + slot,
		(count - slot) * sizeof(struct config_tunnel *));
	config->tunnels[slot] = tunnel;
	config->tunnel_count++;
	return 0;
}

struct config_tunnel *config_replace(struct config *config, struct config_tunnel *tunnel)
{
	size_t slot = find_slot(config, tunnel->name);
	struct config_tunnel *old = config->tunnels[slot];

	config->tunnels[slot] = tunnel;
	return old;
}

void config_remove(struct config *config, const char *name)
{
	size_t slot = find_slot(config, name);

	if (slot == config->tunnel_count || strcmp(config->tunnels[slot]->name, name) != 0)
		return;
	config_tunnel_free(config->tunnels[slot]);
	config->tunnel_count--;
	memmove(config->tunnels + slot, config->tunnels + slot + 1,
		(config->tunnel_count - slot) * sizeof(struct config_tunnel *));
}

void config_free(struct config *config)
{
	if (!config)
		return;
	for (size_t i = 0; i < config->tunnel_count; i++)
		config_tunnel_free(config->tunnels[i]);
	free(config->tunnels);
	config_base_free(config->base);
	strv_fini(&config->notes);
	free(config->unread);
	free(config);
}
