/* SPDX-License-Identifier: MIT */
/*
 * What a worker reports: states, counters, connections.
 */
#include "daemon/common/wire.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/common/wire_json.h"
#include "lib/util.h"

#define FORWARDS_MAX 4096 /* in one stats message */

/* ---- states ---- */

/* One row a text of wire_session: read and written alike. */
#define ROW(member)                                                                                \
	{                                                                                          \
#member, offsetof(struct wire_session, member),                                    \
			sizeof(((struct wire_session *)0)->member)                                 \
	}
static const struct {
	const char *key;
	size_t offset, size;
} session_rows[] = {
	ROW(address), ROW(server_version), ROW(cipher), ROW(kex), ROW(host_key), ROW(identity),
};
#undef ROW

static json_t *session_json(const struct wire_session *session)
{
	json_t *o;

	if (session->address[0] == '\0')
		return json_null();
	o = json_object();
	for (size_t i = 0; i < ARRAY_SIZE(session_rows); i++)
		o = wire_with(o, session_rows[i].key,
			      wire_shown((const char *)session + session_rows[i].offset));
	return o;
}

static void read_session(struct wire_reader *r, const char *key, struct wire_session *ret)
{
	json_t *o = json_object_get(r->object, key);
	struct wire_reader part = wire_part(r, o);

	if (!o || json_is_null(o))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(session_rows); i++)
		wire_get_shown(&part, session_rows[i].key, (char *)ret + session_rows[i].offset,
			       session_rows[i].size);
}

static json_t *jumps_json(const struct wire_tunnel_state *state)
{
	json_t *array = json_array();

	for (size_t i = 0; i < state->jump_count; i++) {
		const struct wire_hop *hop = &state->jumps[i];
		json_t *o =
			wire_with(json_object(), "state", wire_text(hop_state_name(hop->state)));

		o = wire_with(o, "rtt_us", json_integer(hop->rtt_us));
		o = wire_with(o, "error", wire_error(&hop->error));
		array = wire_append(array, wire_with(o, "session", session_json(&hop->session)));
	}
	return array;
}

static int64_t get_rtt(struct wire_reader *r)
{
	json_t *rtt = json_object_get(r->object, "rtt_us");

	if (!json_is_integer(rtt))
		wire_fail(r, "rtt_us");
	return MAX(json_integer_value(rtt), -1);
}

static void read_jumps(struct wire_reader *r, struct wire_tunnel_state *ret)
{
	json_t *array = json_object_get(r->object, "jumps");
	size_t count = json_array_size(array);

	if (!json_is_array(array) || count >= CONFIG_HOPS_MAX) {
		wire_fail(r, "jumps");
		return;
	}
	ret->jumps = count > 0 ? calloc(count, sizeof(*ret->jumps)) : NULL;
	if (count > 0 && !ret->jumps)
		wire_fail(r, "jumps");
	for (size_t i = 0; i < count && !r->failed; i++) {
		struct wire_reader part = wire_part(r, json_array_get(array, i));
		struct wire_hop *hop = &ret->jumps[ret->jump_count++];

		hop->state = (enum hop_state)wire_get_word(&part, "state", hop_state_from_name);
		hop->rtt_us = get_rtt(&part);
		wire_get_error(&part, "error", &hop->error);
		read_session(&part, "session", &hop->session);
	}
}

void wire_state_fini(struct wire_tunnel_state *state)
{
	free(state->jumps);
	state->jumps = NULL;
	state->jump_count = 0;
}

json_t *wire_tunnel_state(const struct wire_tunnel_state *state)
{
	json_t *m = wire_about("state", state->tunnel);

	m = wire_with(m, "state", wire_text(tunnel_state_name(state->state)));
	m = wire_with(m, "attempt", wire_integer(state->attempt));
	m = wire_with(m, "retry_at_ms", wire_integer(state->retry_at_ms));
	m = wire_with(m, "route", wire_integer(state->route));
	m = wire_with(m, "error", wire_error(&state->error));
	m = wire_with(m, "session", session_json(&state->session));
	return wire_with(m, "jumps", jumps_json(state));
}

int wire_read_tunnel_state(json_t *m, struct wire_tunnel_state *ret, struct err *err)
{
	struct wire_reader r = { .object = m, .err = err };

	*ret = (struct wire_tunnel_state){ 0 };
	ret->tunnel = wire_get_id(&r, "tunnel");
	ret->state = (enum tunnel_state)wire_get_word(&r, "state", tunnel_state_from_name);
	ret->attempt = wire_get_unsigned(&r, "attempt");
	ret->retry_at_ms = wire_get_id(&r, "retry_at_ms");
	ret->route = (unsigned)wire_get_integer(&r, "route", CONFIG_ROUTES_MAX - 1);
	wire_get_error(&r, "error", &ret->error);
	read_session(&r, "session", &ret->session);
	read_jumps(&r, ret);
	if (r.failed)
		wire_state_fini(ret);
	return wire_done(&r);
}

json_t *wire_route_state(const struct wire_route_state *state)
{
	json_t *m = wire_about("route-state", state->tunnel);

	m = wire_with(m, "route", wire_integer(state->route));
	m = wire_with(m, "state", wire_text(route_state_name(state->state)));
	return wire_with(m, "error", wire_error(&state->error));
}

int wire_read_route_state(json_t *m, struct wire_route_state *ret, struct err *err)
{
	struct wire_reader r = { .object = m, .err = err };

	*ret = (struct wire_route_state){ 0 };
	ret->tunnel = wire_get_id(&r, "tunnel");
	ret->route = (unsigned)wire_get_integer(&r, "route", CONFIG_ROUTES_MAX - 1);
	ret->state = (enum route_state)wire_get_word(&r, "state", route_state_from_name);
	wire_get_error(&r, "error", &ret->error);
	return wire_done(&r);
}

json_t *wire_forward_state(const struct wire_forward_state *state)
{
	json_t *m = wire_about_forward("forward-state", state->tunnel, state->forward);

	m = wire_with(m, "state", wire_text(forward_state_name(state->state)));
	m = wire_with(m, "port", wire_integer(state->port));
	m = wire_with(m, "note", wire_shown(state->note));
	return wire_with(m, "error", wire_error(&state->error));
}

int wire_read_forward_state(json_t *m, struct wire_forward_state *ret, struct err *err)
{
	struct wire_reader r = { .object = m, .err = err };

	ret->tunnel = wire_get_id(&r, "tunnel");
	ret->forward = wire_get_id(&r, "forward");
	ret->state = (enum forward_state)wire_get_word(&r, "state", forward_state_from_name);
	ret->port = (uint16_t)wire_get_integer(&r, "port", UINT16_MAX);
	wire_get_shown(&r, "note", ret->note, sizeof(ret->note));
	wire_get_error(&r, "error", &ret->error);
	return wire_done(&r);
}

/* ---- connections ---- */

static json_t *connection_json(const struct wire_connection *c)
{
	json_t *o = wire_with(json_object(), "connection", wire_integer(c->id));

	o = wire_with(o, "forward", wire_integer(c->forward));
	o = wire_with(o, "state", wire_text(connection_state_name(c->state)));
	o = wire_with(o, "from", wire_shown(c->from));
	o = wire_with(o, "to", wire_shown(c->to));
	o = wire_with(o, "opened_at_ms", wire_integer(c->opened_at_ms));
	o = wire_with(o, "active_at_ms", wire_integer(c->active_at_ms));
	o = wire_with(o, "bytes_in", wire_integer(c->bytes_in));
	return wire_with(o, "bytes_out", wire_integer(c->bytes_out));
}

static void read_connection(struct wire_reader *r, struct wire_connection *ret)
{
	ret->id = wire_get_id(r, "connection");
	ret->forward = wire_get_id(r, "forward");
	ret->state = (enum connection_state)wire_get_word(r, "state", connection_state_from_name);
	wire_get_shown(r, "from", ret->from, sizeof(ret->from));
	wire_get_shown(r, "to", ret->to, sizeof(ret->to));
	ret->opened_at_ms = wire_get_id(r, "opened_at_ms");
	ret->active_at_ms = wire_get_id(r, "active_at_ms");
	ret->bytes_in = wire_get_id(r, "bytes_in");
	ret->bytes_out = wire_get_id(r, "bytes_out");
}

json_t *wire_connections(const struct wire_connections *connections)
{
	json_t *m = wire_about_call("connections", connections->call);
	json_t *array = json_array();

	for (size_t i = 0; i < connections->count; i++)
		array = wire_append(array, connection_json(&connections->items[i]));
	m = wire_with(m, "connections", array);
	return wire_with(m, "more", json_boolean(connections->more));
}

int wire_read_connections(json_t *m, struct wire_connections *ret, struct err *err)
{
	struct wire_reader r = { .object = m, .err = err };
	json_t *array = json_object_get(m, "connections");
	size_t count = json_array_size(array);

	ret->call = wire_get_id(&r, "call");
	ret->more = wire_get_bool(&r, "more");
	ret->count = 0;
	if (!json_is_array(array) || count > WIRE_CONNECTIONS_MAX)
		wire_fail(&r, "connections");
	for (size_t i = 0; i < count && !r.failed; i++) {
		struct wire_reader part = wire_part(&r, json_array_get(array, i));

		read_connection(&part, &ret->items[ret->count++]);
	}
	return wire_done(&r);
}

/* ---- counters ---- */

static json_t *with_counters(json_t *o, const struct wire_counters *c)
{
	o = wire_with(o, "bytes_in", wire_integer(c->bytes_in));
	o = wire_with(o, "bytes_out", wire_integer(c->bytes_out));
	o = wire_with(o, "connections", wire_integer(c->connections));
	return wire_with(o, "connections_total", wire_integer(c->connections_total));
}

static void read_counters(struct wire_reader *r, struct wire_counters *ret)
{
	ret->bytes_in = wire_get_id(r, "bytes_in");
	ret->bytes_out = wire_get_id(r, "bytes_out");
	ret->connections = wire_get_id(r, "connections");
	ret->connections_total = wire_get_id(r, "connections_total");
}

json_t *wire_stats(const struct wire_stats *stats)
{
	json_t *m = with_counters(wire_about("stats", stats->tunnel), &stats->counters);
	json_t *forwards = json_array();

	for (size_t i = 0; forwards && i < stats->forward_count; i++) {
		const struct wire_forward_stats *f = &stats->forwards[i];
		json_t *o = wire_with(json_object(), "forward", wire_integer(f->forward));

		if (json_array_append_new(forwards, with_counters(o, &f->counters)) < 0) {
			json_decref(forwards);
			forwards = NULL;
		}
	}
	m = wire_with(m, "rtt_us", json_integer(stats->rtt_us));
	return wire_with(m, "forwards", forwards);
}

static void read_forward_stats(struct wire_reader *r, const char *key, struct wire_stats *ret)
{
	json_t *array = json_object_get(r->object, key);
	size_t count = json_array_size(array);

	if (json_is_array(array) && count <= FORWARDS_MAX)
		ret->forwards = calloc(count + 1, sizeof(*ret->forwards));
	if (!ret->forwards) {
		wire_fail(r, key);
		return;
	}
	for (size_t i = 0; i < count && !r->failed; i++) {
		struct wire_reader part = wire_part(r, json_array_get(array, i));

		ret->forwards[i].forward = wire_get_id(&part, "forward");
		read_counters(&part, &ret->forwards[i].counters);
		ret->forward_count++;
	}
}

int wire_read_stats(json_t *m, struct wire_stats *ret, struct err *err)
{
	struct wire_reader r = { .object = m, .err = err };
	*ret = (struct wire_stats){ 0 };
	ret->tunnel = wire_get_id(&r, "tunnel");
	read_counters(&r, &ret->counters);
	ret->rtt_us = get_rtt(&r);
	read_forward_stats(&r, "forwards", ret);
	if (r.failed)
		wire_stats_fini(ret);
	return wire_done(&r);
}

void wire_stats_fini(struct wire_stats *stats)
{
	free(stats->forwards);
	stats->forwards = NULL;
	stats->forward_count = 0;
}
