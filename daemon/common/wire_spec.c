/* SPDX-License-Identifier: MIT */
/*
 * The messages that carry settings: of a tunnel, of a forward.
 */
#include "daemon/common/wire.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/common/wire_json.h"
#include "lib/util.h"

static json_t *connection_json(const struct connection_settings *c)
{
	json_t *o = json_object();

	for (size_t i = 0; i < connection_field_count; i++) {
		const struct connection_field *f = &connection_fields[i];
		const void *value = (const char *)c + f->offset;

		if (f->kind == CONNECTION_TEXT)
			o = wire_with(o, f->name, wire_text(*(char *const *)value));
		else if (f->kind == CONNECTION_TEXTS)
			o = wire_with(o, f->name, wire_texts(value));
		else
			o = wire_with(o, f->name, wire_integer(*(const unsigned *)value));
	}
	return o;
}

static void read_connection(struct wire_reader *r, struct connection_settings *ret)
{
	for (size_t i = 0; i < connection_field_count; i++) {
		const struct connection_field *f = &connection_fields[i];
		void *value = (char *)ret + f->offset;

		if (f->kind == CONNECTION_TEXT)
			*(char **)value = wire_get_text(r, f->name, !f->required);
		else if (f->kind == CONNECTION_TEXTS)
			wire_get_texts(r, f->name, value);
		else
			*(unsigned *)value = wire_get_unsigned(r, f->name);
	}
	if (ret->port == 0 || ret->port > UINT16_MAX)
		wire_fail(r, "port");
}

/* One row a number of upkeep_settings: read and written alike. */
static const struct {
	const char *key;
	size_t offset;
} upkeep_rows[] = {
	{ "keepalive_interval_ms", offsetof(struct upkeep_settings, keepalive_interval_ms) },
	{ "keepalive_count", offsetof(struct upkeep_settings, keepalive_count) },
	{ "reconnect_min_ms", offsetof(struct upkeep_settings, reconnect_min_ms) },
	{ "reconnect_max_ms", offsetof(struct upkeep_settings, reconnect_max_ms) },
	{ "reconnect_stable_ms", offsetof(struct upkeep_settings, reconnect_stable_ms) },
	{ "connect_timeout_ms", offsetof(struct upkeep_settings, connect_timeout_ms) },
	{ "hold_ms", offsetof(struct upkeep_settings, hold_ms) },
	{ "exit_on_forward_failure", offsetof(struct upkeep_settings, exit_on_forward_failure) },
};

static json_t *upkeep_json(const struct upkeep_settings *u)
{
	json_t *o = json_object();

	for (size_t i = 0; i < ARRAY_SIZE(upkeep_rows); i++) {
		const char *field = (const char *)u + upkeep_rows[i].offset;

		o = wire_with(o, upkeep_rows[i].key, wire_integer(*(const unsigned *)field));
	}
	return o;
}

static void read_upkeep(struct wire_reader *r, struct upkeep_settings *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(upkeep_rows); i++) {
		char *field = (char *)ret + upkeep_rows[i].offset;

		*(unsigned *)field = wire_get_unsigned(r, upkeep_rows[i].key);
	}
}

/* ---- routes ---- */

static json_t *hop_json(const struct config_hop *hop)
{
	json_t *o = wire_with(json_object(), "connection", connection_json(&hop->connection));

	return wire_with(o, "upkeep", upkeep_json(&hop->upkeep));
}

static json_t *route_json(const struct config_route *route)
{
	json_t *o = wire_with(json_object(), "host", wire_text(route->host));
	json_t *hops = json_array();

	for (size_t i = 0; i < route->hop_count; i++)
		hops = wire_append(hops, hop_json(&route->hops[i]));
	return wire_with(o, "hops", hops);
}

static void read_hop(struct wire_reader *r, struct config_hop *ret)
{
	struct wire_reader connection = wire_part(r, json_object_get(r->object, "connection"));
	struct wire_reader upkeep = wire_part(r, json_object_get(r->object, "upkeep"));

	read_connection(&connection, &ret->connection);
	read_upkeep(&upkeep, &ret->upkeep);
}

static void read_route(struct wire_reader *r, struct config_route *ret)
{
	json_t *hops = json_object_get(r->object, "hops");
	size_t count = json_array_size(hops);

	ret->host = wire_get_text(r, "host", false);
	if (count > 0 && count <= CONFIG_HOPS_MAX)
		ret->hops = calloc(count, sizeof(*ret->hops));
	if (!ret->hops) {
		wire_fail(r, "hops");
		return;
	}
	for (; ret->hop_count < count; ret->hop_count++) {
		struct wire_reader hop = wire_part(r, json_array_get(hops, ret->hop_count));

		read_hop(&hop, &ret->hops[ret->hop_count]);
	}
}

static void read_routes(struct wire_reader *r, struct config_tunnel *t)
{
	json_t *routes = json_object_get(r->object, "routes");
	size_t count = json_array_size(routes);

	if (count > 0 && count <= CONFIG_ROUTES_MAX)
		t->routes = calloc(count, sizeof(*t->routes));
	if (!t->routes) {
		wire_fail(r, "routes");
		return;
	}
	for (; t->route_count < count; t->route_count++) {
		struct wire_reader route = wire_part(r, json_array_get(routes, t->route_count));

		read_route(&route, &t->routes[t->route_count]);
	}
}

/* ---- tunnels ---- */

json_t *wire_tunnel(uint64_t tunnel, const struct config_tunnel *spec, bool reconnect)
{
	json_t *s = wire_with(json_object(), "name", wire_text(spec->name));
	json_t *m = wire_with(wire_message("tunnel"), "tunnel", wire_integer(tunnel));
	json_t *routes = json_array();

	for (size_t i = 0; i < spec->route_count; i++)
		routes = wire_append(routes, route_json(&spec->routes[i]));
	s = wire_with(s, "routes", routes);
	s = wire_with(s, "prefer", wire_text(prefer_mode_name(spec->prefer)));
	s = wire_with(s, "failback_ms", wire_integer(spec->failback_ms));
	s = wire_with(s, "upkeep", upkeep_json(&spec->upkeep));
	return wire_with(wire_with(m, "reconnect", json_boolean(reconnect)), "spec", s);
}

int wire_read_tunnel(json_t *m, uint64_t *ret_tunnel, struct config_tunnel **ret_spec,
		     bool *ret_reconnect, struct err *err)
{
	struct wire_reader r = { .object = m, .err = err };
	json_t *s = json_object_get(m, "spec");
	struct wire_reader spec = wire_part(&r, s);
	struct wire_reader upkeep = wire_part(&r, json_object_get(s, "upkeep"));
	struct config_tunnel *t = calloc(1, sizeof(*t));

	if (!t)
		return err_nomem(err);
	*ret_tunnel = wire_get_id(&r, "tunnel");
	*ret_reconnect = wire_get_bool(&r, "reconnect");
	t->name = wire_get_text(&spec, "name", false);
	read_routes(&spec, t);
	t->prefer = (enum prefer_mode)wire_get_word(&spec, "prefer", prefer_mode_from_name);
	t->failback_ms = wire_get_unsigned(&spec, "failback_ms");
	read_upkeep(&upkeep, &t->upkeep);
	if (r.failed) {
		config_tunnel_free(t);
		return -1;
	}
	*ret_spec = t;
	return 0;
}

static json_t *end_json(const struct config_end *end)
{
	json_t *o = wire_with(json_object(), "kind", wire_text(end_kind_name(end->kind)));

	o = wire_with(o, "host", wire_text(end->host));
	return wire_with(o, "port", wire_integer(end->port));
}

static void read_end(struct wire_reader *whole, json_t *object, struct config_end *ret)
{
	struct wire_reader r = wire_part(whole, object);

	ret->kind = (enum end_kind)wire_get_word(&r, "kind", end_kind_from_name);
	ret->host = wire_get_text(&r, "host", ret->kind == END_PROXY);
	ret->port = (uint16_t)wire_get_integer(&r, "port", UINT16_MAX);
}

static json_t *forward_json(const struct config_forward *f)
{
	json_t *s = wire_with(json_object(), "name", wire_text(f->name));

	s = wire_with(s, "type", wire_text(forward_type_name(f->type)));
	s = wire_with(s, "listen", end_json(&f->listen));
	s = wire_with(s, "target", end_json(&f->target));
	s = wire_with(s, "port_count", wire_integer(f->port_count));
	s = wire_with(s, "allow", wire_texts(&f->allow));
	s = wire_with(s, "user", wire_text(f->user));
	s = wire_with(s, "password", wire_text(f->password));
	s = wire_with(s, "max_connections", wire_integer(f->max_connections));
	return wire_with(s, "idle_timeout_ms", wire_integer(f->idle_timeout_ms));
}

/* What only the supervisor uses (a socket's mode and group) is not on the wire. */
static void read_forward_spec(struct wire_reader *s, struct config_forward *ret)
{
	ret->name = wire_get_text(s, "name", false);
	ret->type = (enum forward_type)wire_get_word(s, "type", forward_type_from_name);
	read_end(s->whole, json_object_get(s->object, "listen"), &ret->listen);
	read_end(s->whole, json_object_get(s->object, "target"), &ret->target);
	ret->port_count = (uint16_t)wire_get_integer(s, "port_count", CONFIG_PORTS_MAX);
	wire_get_texts(s, "allow", &ret->allow);
	ret->user = wire_get_text(s, "user", true);
	ret->password = wire_get_text(s, "password", true);
	ret->max_connections = wire_get_unsigned(s, "max_connections");
	ret->idle_timeout_ms = wire_get_unsigned(s, "idle_timeout_ms");
}

json_t *wire_forward(const struct wire_forward *forward, const struct config_forward *spec)
{
	json_t *m = wire_about_forward("forward", forward->tunnel, forward->forward);

	m = wire_with(m, "sockets", wire_integer(forward->sockets));
	m = wire_with(m, "bound_port", wire_integer(forward->bound_port));
	m = wire_with(m, "error", wire_error(&forward->error));
	return wire_with(m, "spec", forward_json(spec));
}

int wire_read_forward(json_t *m, struct wire_forward *ret, struct config_forward *ret_spec,
		      struct err *err)
{
	struct wire_reader r = { .object = m, .err = err };
	struct wire_reader s = wire_part(&r, json_object_get(m, "spec"));

	*ret_spec = (struct config_forward){ 0 };
	ret->tunnel = wire_get_id(&r, "tunnel");
	ret->forward = wire_get_id(&r, "forward");
	ret->sockets = wire_get_unsigned(&r, "sockets");
	ret->bound_port = (uint16_t)wire_get_integer(&r, "bound_port", UINT16_MAX);
	wire_get_error(&r, "error", &ret->error);
	read_forward_spec(&s, ret_spec);
	if (r.failed) {
		config_forward_fini(ret_spec);
		return -1;
	}
	return 0;
}

json_t *wire_connect(uint64_t call, uint64_t tunnel, const struct config_end *target)
{
	json_t *m = wire_about_call("connect", call);

	return wire_with(wire_with(m, "tunnel", wire_integer(tunnel)), "target", end_json(target));
}

int wire_read_connect(json_t *m, uint64_t *ret_call, uint64_t *ret_tunnel,
		      struct config_end *ret_target, struct err *err)
{
	struct wire_reader r = { .object = m, .err = err };

	*ret_target = (struct config_end){ 0 };
	*ret_call = wire_get_id(&r, "call");
	*ret_tunnel = wire_get_id(&r, "tunnel");
	read_end(&r, json_object_get(m, "target"), ret_target);
	if (!r.failed)
		return 0;
	free(ret_target->host);
	return -1;
}
