/* SPDX-License-Identifier: MIT */
/*
 * From what was written to what is meant: hosts and tunnels are sorted by name (which also finds
 * duplicates, in any file), each tunnel is composed from its layers (built-in, defaults, its host,
 * itself), and at last no two forwards may listen in one place.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/config_ssh.h"
#include "lib/duration.h"
#include "lib/str.h"
#include "lib/util.h"

static void no_memory(struct config_decoder *d, const struct node *at)
{
	config_complain(d, at, "out of memory");
}

static size_t key_index(enum schema_place place, const char *name)
{
	return schema_index(schema_find(place, name));
}

struct config_base *config_base_new(const struct config_context *context, struct config_decoder *d,
				    const char *ssh_config)
{
	static const enum schema_place places[] = { PLACE_TUNNEL, PLACE_KEEPALIVE,
						    PLACE_RECONNECT };
	struct config_base *base = calloc(1, sizeof(*base));
	struct config_layer *builtin = base ? &base->builtin.layer : NULL;

	if (!base)
		return NULL;
	base->system = context->system;
	base->ssh = config_ssh_new(context, ssh_config);
	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		config_decode_fallbacks(d, places[i], context->system, builtin);
	if (context->home)
		base->home = strdup(context->home);
	if (context->user) {
		builtin->connection.user = strdup(context->user);
		schema_set_add(&builtin->set, key_index(PLACE_DEFAULTS, "user"));
	}
	if (!base->ssh || (context->home && !base->home) ||
	    (context->user && !builtin->connection.user)) {
		config_base_free(base);
		return NULL;
	}
	return base;
}

static int by_name(const void *a, const void *b)
{
	const struct config_entry *x = a, *y = b;
	int order = strcmp(x->name->text, y->name->text);

	return order ? order : x->order < y->order ? -1 : x->order > y->order;
}

void config_sort_entries(struct config_entries *entries, struct config_decoder *d)
{
	const struct config_entry *first = NULL;
	char where[256], name[80];
	size_t kept = 0;

	if (entries->count > 0)
		qsort(entries->items, entries->count, sizeof(*entries->items), by_name);
	for (size_t i = 0; i < entries->count; i++) {
		struct config_entry entry = entries->items[i];

		str_escape(name, sizeof(name), entry.name->text, strlen(entry.name->text));
		if (!config_name_is_valid(entry.name->text)) {
			config_complain(d, entry.name,
					"'%s' is not a name; use up to %d letters, digits, '.', "
					"'_' and '-'",
					name, CONFIG_NAME_MAX);
		} else if (first && strcmp(first->name->text, entry.name->text) == 0) {
			config_complain(
				d, entry.name, "'%s' exists already, in %s", name,
				config_place_text(first->name, entry.name, where, sizeof(where)));
		} else if (entry.value->kind != NODE_MAP && !node_is_null(entry.value)) {
			config_complain(d, entry.value, "%s: a mapping of keys is expected, not %s",
					name, node_kind_name(entry.value->kind));
		} else {
			entries->items[kept] = entry;
			first = &entries->items[kept++];
		}
	}
	entries->count = kept;
}

static bool has_reconnect(const struct config_layer *layer)
{
	return schema_set_has(&layer->set, key_index(PLACE_RECONNECT, "min")) ||
	       schema_set_has(&layer->set, key_index(PLACE_RECONNECT, "max"));
}

/* `min` above `max`: said where one of them was written. */
static void check_reconnect(struct config_decoder *d, const struct config_layer *written,
			    const struct upkeep_settings *composed, const struct node *map)
{
	const struct node *at = node_find(map, "reconnect");
	char min[DURATION_TEXT_MAX], max[DURATION_TEXT_MAX];

	if (!has_reconnect(written) || composed->reconnect_min_ms <= composed->reconnect_max_ms)
		return;
	config_complain(d, at, "reconnect.min (%s) is larger than reconnect.max (%s)",
			duration_format(min, composed->reconnect_min_ms),
			duration_format(max, composed->reconnect_max_ms));
}

/* The same for defaults and hosts, which nobody composes otherwise. */
static void check_layer(struct config_decoder *d, const struct config_base *base,
			const struct config_layer *layer, const struct node *map)
{
	const struct config_layer *const layers[] = { &base->builtin.layer, &base->defaults,
						      layer };
	struct config_layer composed;

	config_check_way(d, map);
	if (!has_reconnect(layer))
		return;
	if (config_layer_compose(layers, ARRAY_SIZE(layers), &composed) < 0) {
		no_memory(d, map);
		return;
	}
	check_reconnect(d, layer, &composed.upkeep, map);
	config_layer_fini(&composed);
}

static void build_host(struct config_base *base, struct config_decoder *d,
		       const struct config_entry *entry)
{
	struct config_host *host = &base->hosts[base->host_count++];
	struct connection_settings *connection = &host->layer.connection;
	struct err err;

	host->name = strdup(entry->name->text);
	config_decode(d, PLACE_HOST, entry->value, host, NULL);
	if (!connection->host &&
	    !schema_set_has(&host->layer.written, key_index(PLACE_HOST, "address"))) {
		if (endpoint_check_host(entry->name->text, &err) < 0)
			config_complain(d, entry->name, "%s; write its 'address'", err.msg);
		connection->host = strdup(entry->name->text);
	}
	if (!host->name)
		no_memory(d, entry->name);
	check_layer(d, base, &host->layer, entry->value);
}

void config_build_hosts(struct config_base *base, struct config_reading *r)
{
	struct config_decoder *d = &r->decoder;

	base->defaults = r->defaults;
	r->defaults = (struct config_layer){ 0 };
	config_trail_push(d, "defaults");
	if (r->defaults_map)
		check_layer(d, base, &base->defaults, r->defaults_map);
	config_trail_pop(d);
	config_trail_push(d, "hosts");
	config_sort_entries(&r->hosts, d);
	base->hosts = calloc(MAX(r->hosts.count, (size_t)1), sizeof(*base->hosts));
	if (!base->hosts)
		no_memory(d, NULL);
	for (size_t i = 0; base->hosts && i < r->hosts.count; i++) {
		config_trail_push(d, r->hosts.items[i].name->text);
		build_host(base, d, &r->hosts.items[i]);
		config_trail_pop(d);
	}
	if (base->hosts)
		config_check_circles(base, d, &r->hosts);
	config_trail_pop(d);
}

static bool is_name_used(const struct config_forward *forwards, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++) {
		if (streq(forwards[i].name, name))
			return true;
	}
	return false;
}

/* "local:localhost:5432". Where the server chooses the port, there can be several that listen alike:
 * "remote:localhost:0:web:80". A name does not depend on what stands before it, because the chosen port
 * is remembered by it; only exact copies are numbered. */
static char *derive_name(const struct config_forward *forwards, size_t index)
{
	const struct config_forward *f = &forwards[index];
	char listen[CONFIG_END_TEXT_MAX], target[CONFIG_END_TEXT_MAX];
	size_t number = 2;
	char *name;

	config_end_text(listen, sizeof(listen), &f->listen, f->port_count);
	if (f->listen.kind != END_TCP || f->listen.port != 0)
		return str_printf("%s:%s", forward_type_name(f->type), listen);
	config_end_text(target, sizeof(target), &f->target, f->port_count);
	name = str_printf("%s:%s:%s", forward_type_name(f->type), listen, target);
	for (; name && is_name_used(forwards, index, name); number++) {
		free(name);
		name = str_printf("%s:%s:%s#%zu", forward_type_name(f->type), listen, target,
				  number);
	}
	return name;
}

int config_name_forwards(struct config_decoder *d, struct config_forward *forwards, size_t count,
			 const struct node *map)
{
	for (size_t i = 0; i < count; i++) {
		struct config_forward *f = &forwards[i];

		if (f->name && is_name_used(forwards, i, f->name))
			config_complain(d, config_forward_node(map, i),
					"two forwards are named '%s'", f->name);
		if (!f->name)
			f->name = derive_name(forwards, i);
		if (!f->name)
			return -1;
	}
	return 0;
}

/* Those that ssh has for the server, behind the written ones. */
static void take_forwards(struct config_base *base, struct config_decoder *d,
			  struct config_tunnel_draft *draft, const struct node *map)
{
	const char *host = draft->hosts.count > 0 ? draft->hosts.items[0] : NULL;
	const struct node *at = node_find(map, "forwards");
	struct endpoint endpoint, question;

	if (!host || endpoint_parse(host, &endpoint, NULL) < 0)
		return; /* which has been said */
	config_trail_push(d, "forwards");
	if (config_find_host(base, endpoint.host)) {
		config_complain(d, at,
				"'%s' stands in hosts; only a host of ~/.ssh/config has forwards "
				"there",
				endpoint.host);
		config_trail_pop(d);
		return;
	}
	question = config_ssh_question(&endpoint, &draft->layer);
	config_ssh_forwards(base->ssh, d, &question, at, &draft->forwards);
	config_trail_pop(d);
}

/* The upkeep of a tunnel is that of its first server: the layers differ only by its entry in hosts. */
static int build_routes(struct config_base *base, struct config_decoder *d,
			const struct config_tunnel_draft *draft, const struct node *map,
			struct config_tunnel *tunnel)
{
	const struct config_route *first;

	tunnel->routes = calloc(MAX(draft->hosts.count, (size_t)1), sizeof(*tunnel->routes));
	if (!tunnel->routes)
		return -1;
	for (size_t i = 0; i < draft->hosts.count; i++) {
		tunnel->route_count++;
		if (config_build_route(base, d, &draft->layer, draft->hosts.items[i], map,
				       &tunnel->routes[i]) < 0)
			return -1;
	}
	first = tunnel->routes;
	if (tunnel->route_count == 0 || first->hop_count == 0)
		return 0;
	tunnel->upkeep = first->hops[first->hop_count - 1].upkeep;
	check_reconnect(d, &draft->layer, &tunnel->upkeep, map);
	return 0;
}

/* "one, two" */
static char *join(const struct strv *v)
{
	struct strbuf text = { 0 };

	for (size_t i = 0; i < v->count; i++)
		strbuf_addf(&text, "%s%s", i ? ", " : "", v->items[i]);
	return strbuf_take(&text);
}

/* Moves the rest of draft into tunnel; -1: no memory. */
static int assemble(struct config_tunnel_draft *draft, const struct node *name,
		    struct config_tunnel *tunnel)
{
	tunnel->name = strdup(name->text);
	tunnel->source = strdup(name->file ? name->file : "added");
	tunnel->line = name->line;
	tunnel->host = join(&draft->hosts);
	tunnel->prefer = draft->prefer;
	tunnel->failback_ms = draft->failback_ms;
	tunnel->start = draft->start;
	tunnel->tags = draft->tags;
	draft->tags = (struct strv){ 0 };
	tunnel->forward_count = draft->forwards.count;
	tunnel->forwards = TAKE(draft->forwards.items);
	draft->forwards.count = 0;
	return tunnel->name && tunnel->source && tunnel->host ? 0 : -1;
}

struct config_tunnel *config_build_tunnel(struct config_base *base, struct config_decoder *d,
					  const struct node *name, const struct node *map)
{
	struct config_tunnel_draft draft = {
		.start = base->builtin.start,
		.prefer = base->builtin.prefer,
		.failback_ms = base->builtin.failback_ms,
	};
	struct config_tunnel *tunnel = calloc(1, sizeof(*tunnel));
	size_t before = problem_count(d->problems);

	if (!tunnel || base->bytes > CONFIG_TEXT_MAX) {
		free(tunnel);
		return NULL;
	}
	config_decode(d, PLACE_TUNNEL, map, &draft, NULL);
	config_check_way(d, map);
	if (draft.forwards_from == FORWARDS_FROM_SSH_CONFIG)
		take_forwards(base, d, &draft, map);
	if (build_routes(base, d, &draft, map, tunnel) < 0 ||
	    config_name_forwards(d, draft.forwards.items, draft.forwards.count, map) < 0 ||
	    assemble(&draft, name, tunnel) < 0)
		no_memory(d, name);
	config_tunnel_draft_fini(&draft);
	if (problem_count(d->problems) == before)
		return tunnel;
	config_tunnel_free(tunnel);
	return NULL;
}
