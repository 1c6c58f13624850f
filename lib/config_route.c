/* SPDX-License-Identifier: MIT */
/*
 * The way to a server. Each server on it is composed of its own layers (built-in, defaults, its entry
 * in hosts, and for the last one the tunnel itself), so that nothing a tunnel says about its server,
 * least of all its keys, ever reaches a jump.
 *
 * As with ssh, the first jump of a list is reached as its own entry says, each further one through the one
 * before it. A `jump` in defaults is for the servers of tunnels, not for the jumps themselves.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/config_ssh.h"
#include "lib/str.h"
#include "lib/util.h"

enum {
	SSH_PORT = 22,
	CIRCLE_MAX = 64, /* entries; more are too many servers on the way, and said to be so */
};

enum layer { LAYER_BUILTIN, LAYER_DEFAULTS, LAYER_HOST, LAYER_TUNNEL, LAYERS };

/* How a server is reached when it is not told otherwise. */
enum position {
	POSITION_SERVER, /* of a tunnel: by its jump, its entry's, or that of defaults */
	POSITION_FIRST, /* the first jump: by that of its entry */
	POSITION_NEXT, /* through the jump before it */
};

/* What is being built, and where to complain. */
struct route_draft {
	struct config_base *base;
	struct config_decoder *d;
	const struct node *map; /* of the tunnel */
	const struct config_layer *tunnel;
	struct config_route *route;
	const struct config_host
		*trail[CONFIG_HOPS_MAX + 1]; /* entries whose jump is being followed */
	size_t depth;
	bool complained; /* about the way as a whole; once is enough */
};

static const struct config_layer nothing;

static size_t key_index(const char *name)
{
	return schema_index(schema_find(PLACE_DEFAULTS, name));
}

static bool has(const struct config_layer *layer, const char *key)
{
	return schema_set_has(&layer->set, key_index(key));
}

/* ---- entries ---- */

static int host_by_name(const void *name, const void *host)
{
	return strcmp(name, ((const struct config_host *)host)->name);
}

const struct config_host *config_find_host(const struct config_base *base, const char *name)
{
	if (base->host_count == 0)
		return NULL;
	return bsearch(name, base->hosts, base->host_count, sizeof(*base->hosts), host_by_name);
}

/* The entry that a text as after `ssh -J` names; NULL: none. */
static const struct config_host *host_of(const struct config_base *base, const char *text)
{
	struct endpoint endpoint;

	return endpoint_parse(text, &endpoint, NULL) == 0 ? config_find_host(base, endpoint.host)
							  : NULL;
}

static void get_layers(const struct route_draft *r, const struct config_host *host,
		       const struct config_layer *own, const struct config_layer *ret[LAYERS])
{
	ret[LAYER_BUILTIN] = &r->base->builtin.layer;
	ret[LAYER_DEFAULTS] = &r->base->defaults;
	ret[LAYER_HOST] = host ? &host->layer : &nothing;
	ret[LAYER_TUNNEL] = own;
}

/* ---- circles ---- */

static void add_arrow(struct strbuf *text, const char *name)
{
	strbuf_addf(text, "%s%s", text->length ? " → " : "", name);
}

/* The first of the jumps that a layer names; NULL: it names none. */
static const char *first_jump(const struct config_layer *layer)
{
	const struct strv *jump = &layer->jump;

	return has(layer, "jump") && jump->count > 0 && *jump->items[0] ? jump->items[0] : NULL;
}

/* Whether following the first jump of each entry, from this one, comes back to it; then text is the
 * way round. Only the first is reached as its entry says. */
static bool goes_round(const struct config_base *base, const struct config_host *start,
		       struct strbuf *text)
{
	const struct config_host *host = start;

	for (size_t i = 0; i <= CIRCLE_MAX; i++) {
		const char *jump = first_jump(&host->layer);

		add_arrow(text, host->name);
		host = jump ? host_of(base, jump) : NULL;
		if (!host || host < start)
			return false; /* it ends, or is told of by the entry that comes first */
		if (host == start) {
			add_arrow(text, start->name);
			return true;
		}
	}
	return false;
}

void config_check_circles(struct config_base *base, struct config_decoder *d,
			  const struct config_entries *entries)
{
	for (size_t i = 0; i < base->host_count; i++) {
		struct strbuf text = { 0 };

		config_trail_push(d, base->hosts[i].name);
		if (goes_round(base, &base->hosts[i], &text)) {
			config_complain(d, node_find(entries->items[i].value, "jump"),
					"jump: %s goes round in a circle", text.data);
			base->has_circles = true;
		}
		config_trail_pop(d);
		strbuf_fini(&text);
	}
}

/* Whether a server is among these jumps, or on the way to the first of them. */
static bool leads_through(const struct config_base *base, const struct strv *jumps,
			  const struct config_host *host)
{
	for (size_t depth = 0; jumps && depth < CONFIG_HOPS_MAX; depth++) {
		const struct config_host *first = host_of(base, jumps->items[0]);

		for (size_t i = 0; i < jumps->count; i++) {
			if (host_of(base, jumps->items[i]) == host)
				return true;
		}
		jumps = first && first_jump(&first->layer) ? &first->layer.jump : NULL;
	}
	return false;
}

/* ---- one server ---- */

/* Host, port and user: what is written as a host wins over the entry it names. */
static int address(const struct config_host *host, const struct endpoint *endpoint,
		   struct connection_settings *c)
{
	const struct connection_settings *entry = host ? &host->layer.connection : NULL;

	c->port = endpoint->port ? endpoint->port : entry ? entry->port : 0;
	c->port = c->port ? c->port : SSH_PORT;
	c->original = strdup(endpoint->host);
	c->host = strdup(entry && entry->host ? entry->host : endpoint->host);
	if (endpoint->user[0]) {
		free(c->user);
		c->user = strdup(endpoint->user);
		return c->host && c->original && c->user ? 0 : -1;
	}
	return c->host && c->original ? 0 : -1;
}

static bool is_written(const struct config_layer *const *layers, const char *key)
{
	for (size_t i = LAYER_DEFAULTS; i < LAYERS; i++) {
		if (schema_set_has(&layers[i]->written, key_index(key)))
			return true;
	}
	return false;
}

/* Where mistakes about the jumps of the tunnel are shown: at its own `jump`, if it has one. */
static const struct node *jump_node(const struct route_draft *r)
{
	const struct node *node = node_find(r->map, "jump");

	return node ? node : r->map;
}

static const struct node *host_node(const struct route_draft *r)
{
	const struct node *node = node_find(r->map, "host");

	return node ? node : r->map;
}

static void check_login(struct route_draft *r, const struct config_layer *const *layers,
			const struct connection_settings *c, enum position position)
{
	bool is_server = position == POSITION_SERVER;
	const struct node *at = is_server ? r->map : jump_node(r);
	char who[ENDPOINT_HOST_MAX + 16] = "";

	if (!is_server)
		snprintf(who, sizeof(who), "jump '%s': ", c->original);
	if (c->identities_implied && c->identities.count == 0)
		config_complain(r->d, at,
				"%s'identity' is missing: which private key shall log in? (%sin "
				"hosts or in defaults)",
				who, is_server ? "here, " : "");
	if (!c->user && !is_written(layers, "user"))
		config_complain(r->d, at, "%s'user' is missing: who shall log in?", who);
}

/* Inherited lists are copied into every tunnel: a small file must not become a large program. */
static void charge(struct route_draft *r, const struct connection_settings *c)
{
	r->base->bytes += connection_settings_bytes(c);
	if (r->base->bytes > CONFIG_TEXT_MAX)
		config_complain(r->d, r->map,
				"the tunnels together inherit more than %d MiB of text",
				CONFIG_TEXT_MAX / (1024 * 1024));
}

/* Puts the layers of a server together. -1: no memory. */
static int add_hop(struct route_draft *r, const struct endpoint *endpoint,
		   const struct config_layer *const *layers, const struct config_host *host,
		   enum position position)
{
	struct config_hop *hop = &r->route->hops[r->route->hop_count];
	struct config_layer composed;
	int rc;

	if (config_layer_compose(layers, LAYERS, &composed) < 0)
		return -1;
	config_settle_way(layers, LAYERS, &composed.connection);
	rc = address(host, endpoint, &composed.connection);
	composed.connection.identities_implied = !is_written(layers, "identity");
	if (rc == 0)
		check_login(r, layers, &composed.connection, position);
	hop->connection = composed.connection;
	hop->upkeep = composed.upkeep;
	r->route->hop_count++;
	composed.connection = (struct connection_settings){ 0 };
	config_layer_fini(&composed);
	charge(r, &hop->connection);
	return rc;
}

/* ---- the way ---- */

/* What leads to a server: the nearest layer with a jump or another way decides. NULL: no jump. */
static const struct strv *jumps_of(struct route_draft *r, const struct config_host *host,
				   const struct config_layer *const *layers, enum position position)
{
	size_t lowest = position == POSITION_SERVER ? LAYER_DEFAULTS : LAYER_HOST;
	size_t i = LAYERS;

	if (position == POSITION_NEXT)
		return NULL;
	while (i-- > lowest) {
		const struct config_layer *layer = layers[i];
		bool other_way = has(layer, "proxy") || has(layer, "proxy_command");

		if (!has(layer, "jump") && !other_way)
			continue;
		if (!first_jump(layer))
			return NULL;
		if (i == LAYER_DEFAULTS && host && leads_through(r->base, &layer->jump, host))
			return NULL; /* it is one of those jumps itself */
		return &layer->jump;
	}
	return NULL;
}

static void drop_other_ways(struct connection_settings *c)
{
	free(TAKE(c->proxy));
	strv_fini(&c->proxy_command);
}

/* One complaint about a way is enough. */
static void give_up_on_length(struct route_draft *r)
{
	if (!r->complained)
		config_complain(r->d, jump_node(r),
				"jump: there are more than %d servers on the way", CONFIG_HOPS_MAX);
	r->complained = true;
}

static int add_server(struct route_draft *r, const char *text, enum position position);

/* True when the jump of this host is being followed already. Those in hosts were looked at before
 * (config_check_circles()), those that only ssh knows come up on the way. */
static bool closes_circle(struct route_draft *r, const struct config_host *host)
{
	CLEANUP(strbuf_fini) struct strbuf text = { 0 };
	size_t i = 0;

	while (i < r->depth && r->trail[i] != host)
		i++;
	if (!host || i == r->depth)
		return false;
	for (; i < r->depth; i++)
		add_arrow(&text, r->trail[i] ? r->trail[i]->name : "?");
	add_arrow(&text, host->name);
	config_complain(r->d, host_node(r), "jump: %s goes round in a circle", text.data);
	r->complained = true;
	return true;
}

static int add_jumps(struct route_draft *r, const struct config_host *host,
		     const struct strv *jumps)
{
	int rc = 0;

	if (closes_circle(r, host))
		return 0;
	if (r->depth == CONFIG_HOPS_MAX) {
		give_up_on_length(r);
		return 0;
	}
	r->trail[r->depth++] = host;
	for (size_t i = 0; rc == 0 && !r->complained && i < jumps->count; i++)
		rc = add_server(r, jumps->items[i], i ? POSITION_NEXT : POSITION_FIRST);
	r->depth--;
	return rc;
}

/* In hosts, or else in ssh's configuration. */
static const struct config_host *find_entry(struct route_draft *r, const struct endpoint *endpoint,
					    enum position position)
{
	bool is_server = position == POSITION_SERVER;
	const struct config_host *host = config_find_host(r->base, endpoint->host);
	struct endpoint question;

	if (host)
		return host;
	question = config_ssh_question(endpoint, is_server ? r->tunnel : NULL);
	return config_ssh_find(r->base->ssh, r->d, &question,
			       is_server ? host_node(r) : jump_node(r));
}

/* Appends a server, and before it whatever leads there. -1: no memory. */
static int add_server(struct route_draft *r, const char *text, enum position position)
{
	const struct config_layer *layers[LAYERS];
	const struct config_host *host;
	const struct strv *jumps;
	struct endpoint endpoint;

	if (endpoint_parse(text, &endpoint, NULL) < 0)
		return -1;
	host = find_entry(r, &endpoint, position);
	get_layers(r, host, position == POSITION_SERVER ? r->tunnel : &nothing, layers);
	jumps = jumps_of(r, host, layers, position);
	if (jumps && add_jumps(r, host, jumps) < 0)
		return -1;
	if (r->complained)
		return 0;
	if (r->route->hop_count == CONFIG_HOPS_MAX) {
		give_up_on_length(r);
		return 0;
	}
	if (add_hop(r, &endpoint, layers, host, position) < 0)
		return -1;
	if (jumps || position == POSITION_NEXT)
		drop_other_ways(&r->route->hops[r->route->hop_count - 1].connection);
	config_check_command(r->d, &r->route->hops[r->route->hop_count - 1].connection, r->map);
	return 0;
}

/* A tunnel that wants no part in shared sessions gets jumps of its own. */
static void inherit_share(struct config_route *route)
{
	bool share = route->hops[route->hop_count - 1].connection.share;

	for (size_t i = 0; !share && i < route->hop_count; i++)
		route->hops[i].connection.share = 0;
}

/* A thousand tunnels need not have room for eight jumps each. */
static void give_back_room(struct config_route *route)
{
	size_t count = route->hop_count > 0 ? route->hop_count : 1;
	struct config_hop *less = realloc(route->hops, count * sizeof(*less));

	if (less)
		route->hops = less;
}

int config_build_route(struct config_base *base, struct config_decoder *d,
		       const struct config_layer *tunnel, const char *host, const struct node *map,
		       struct config_route *ret)
{
	struct route_draft r = {
		.base = base,
		.d = d,
		.map = map,
		.tunnel = tunnel,
		.route = ret,
		.complained = base->has_circles,
	};

	ret->host = strdup(host);
	ret->hops = calloc(CONFIG_HOPS_MAX, sizeof(*ret->hops));
	if (!ret->host || !ret->hops || add_server(&r, host, POSITION_SERVER) < 0)
		return -1;
	if (ret->hop_count > 0)
		inherit_share(ret);
	give_back_room(ret);
	return 0;
}
