/* SPDX-License-Identifier: MIT */
#include "daemon/common/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/str.h"
#include "lib/util.h"

#define FORWARDS_MAX 4096 /* in one stats message */

/* ---- building blocks ---- */

/* Adds a value that may be NULL for lack of memory; then the whole message is given up. */
static json_t *with(json_t *object, const char *key, json_t *value)
{
	if (!object || !value || json_object_set_new(object, key, value) < 0) {
		if (!object)
			json_decref(value);
		json_decref(object);
		return NULL;
	}
	return object;
}

static json_t *message(const char *type)
{
	return with(json_object(), "type", json_string(type));
}

static json_t *integer(uint64_t value)
{
	return json_integer((json_int_t)value);
}

static json_t *text(const char *value)
{
	return value ? json_string(value) : json_null();
}

/* Text that is only shown. It may hold anything, and may have been cut within a character, which
 * JSON does not take. */
static json_t *shown(const char *value)
{
	char clean[sizeof(((struct err *)0)->msg)];

	return json_string(str_escape(clean, sizeof(clean), value, strlen(value)));
}

static json_t *texts(const struct strv *v)
{
	json_t *array = json_array();

	for (size_t i = 0; array && i < v->count; i++) {
		if (json_array_append_new(array, json_string(v->items[i])) < 0) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

static json_t *error_json(const struct err *err)
{
	json_t *o;

	if (!err || err->code == ERR_NONE)
		return json_null();
	o = with(json_object(), "code", json_string(err_slug(err->code)));
	return with(o, "message", shown(err->msg));
}

/* Reading: the first thing that is missing or of the wrong kind sets err, so that only the end has
 * to be checked. An object inside a message is read by a reader of its own, which is a part. */
struct reader {
	json_t *object;
	struct reader *whole; /* the message's; NULL: this is it */
	struct err *err;
	bool failed; /* of the whole */
};

static struct reader part_of(struct reader *whole, json_t *object)
{
	return (struct reader){ .object = object, .whole = whole, .err = whole->err };
}

static void fail(struct reader *r, const char *key)
{
	struct reader *whole = r->whole ? r->whole : r;
	const char *type = json_string_value(json_object_get(whole->object, "type"));

	if (!whole->failed)
		err_set(r->err, ERR_PROTOCOL, "message '%s': bad or missing '%s'", type ? type : "",
			key);
	whole->failed = true;
}

static uint64_t read_integer(struct reader *r, const char *key, uint64_t max)
{
	json_t *value = json_object_get(r->object, key);

	if (!json_is_integer(value) || json_integer_value(value) < 0 ||
	    (uint64_t)json_integer_value(value) > max) {
		fail(r, key);
		return 0;
	}
	return (uint64_t)json_integer_value(value);
}

static uint64_t read_id(struct reader *r, const char *key)
{
	return read_integer(r, key, INT64_MAX);
}

static unsigned read_unsigned(struct reader *r, const char *key)
{
	return (unsigned)read_integer(r, key, UINT32_MAX);
}

static bool read_bool(struct reader *r, const char *key)
{
	json_t *value = json_object_get(r->object, key);

	if (!json_is_boolean(value))
		fail(r, key);
	return json_is_true(value);
}

/* A copy, or NULL for null. */
static char *read_text(struct reader *r, const char *key, bool nullable)
{
	json_t *value = json_object_get(r->object, key);
	char *copy;

	if (nullable && json_is_null(value))
		return NULL;
	copy = json_is_string(value) ? strdup(json_string_value(value)) : NULL;
	if (!copy)
		fail(r, key);
	return copy;
}

static void read_texts(struct reader *r, const char *key, struct strv *ret)
{
	json_t *array = json_object_get(r->object, key);
	json_t *item;
	size_t i;

	if (!json_is_array(array))
		fail(r, key);
	json_array_foreach (array, i, item) {
		if (!json_is_string(item) || strv_add(ret, json_string_value(item)) < 0)
			fail(r, key);
	}
}

/* Text that is only shown: escaped, and cut to the room there is. */
static void read_shown(struct reader *r, const char *key, char *out, size_t size)
{
	json_t *value = json_object_get(r->object, key);

	out[0] = '\0';
	if (!json_is_string(value))
		fail(r, key);
	else
		str_escape(out, size, json_string_value(value), json_string_length(value));
}

static int read_word(struct reader *r, const char *key, int (*from_name)(const char *name))
{
	const char *word = json_string_value(json_object_get(r->object, key));
	int value = word ? from_name(word) : -1;

	if (value < 0)
		fail(r, key);
	return MAX(value, 0);
}

static void read_error(struct reader *r, const char *key, struct err *ret)
{
	json_t *o = json_object_get(r->object, key);
	struct reader part = part_of(r, o);
	const char *slug = json_string_value(json_object_get(o, "code"));

	*ret = (struct err){ 0 };
	if (!o || json_is_null(o))
		return;
	if (!slug) {
		fail(&part, "code");
		return;
	}
	ret->code = err_from_slug(slug);
	read_shown(&part, "message", ret->msg, sizeof(ret->msg));
}

static int done(const struct reader *r)
{
	return r->failed ? -1 : 0;
}

/* ---- settings of a tunnel ---- */

static json_t *connection_json(const struct connection_settings *c)
{
	json_t *o = with(json_object(), "host", text(c->host));

	o = with(o, "port", integer(c->port));
	o = with(o, "user", text(c->user));
	o = with(o, "identities", texts(&c->identities));
	o = with(o, "identities_implied", json_boolean(c->identities_implied));
	o = with(o, "known_hosts", texts(&c->known_hosts));
	return with(o, "ciphers", text(c->ciphers));
}

static void read_connection(struct reader *r, struct connection_settings *ret)
{
	ret->host = read_text(r, "host", false);
	ret->port = (uint16_t)read_integer(r, "port", UINT16_MAX);
	ret->user = read_text(r, "user", false);
	read_texts(r, "identities", &ret->identities);
	ret->identities_implied = read_bool(r, "identities_implied");
	read_texts(r, "known_hosts", &ret->known_hosts);
	ret->ciphers = read_text(r, "ciphers", true);
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
};

static json_t *upkeep_json(const struct upkeep_settings *u)
{
	json_t *o = json_object();

	for (size_t i = 0; i < ARRAY_SIZE(upkeep_rows); i++) {
		const char *field = (const char *)u + upkeep_rows[i].offset;

		o = with(o, upkeep_rows[i].key, integer(*(const unsigned *)field));
	}
	return o;
}

static void read_upkeep(struct reader *r, struct upkeep_settings *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(upkeep_rows); i++) {
		char *field = (char *)ret + upkeep_rows[i].offset;

		*(unsigned *)field = read_unsigned(r, upkeep_rows[i].key);
	}
}

json_t *wire_tunnel(uint64_t tunnel, const struct config_tunnel *spec, bool reconnect)
{
	json_t *s = with(json_object(), "name", text(spec->name));
	json_t *m = with(message("tunnel"), "tunnel", integer(tunnel));

	s = with(s, "connection", connection_json(&spec->connection));
	s = with(s, "upkeep", upkeep_json(&spec->upkeep));
	return with(with(m, "reconnect", json_boolean(reconnect)), "spec", s);
}

int wire_read_tunnel(json_t *m, uint64_t *ret_tunnel, struct config_tunnel **ret_spec,
		     bool *ret_reconnect, struct err *err)
{
	struct reader r = { .object = m, .err = err };
	json_t *s = json_object_get(m, "spec");
	struct reader spec = part_of(&r, s);
	struct reader connection = part_of(&r, json_object_get(s, "connection"));
	struct reader upkeep = part_of(&r, json_object_get(s, "upkeep"));
	struct config_tunnel *t = calloc(1, sizeof(*t));

	if (!t)
		return err_nomem(err);
	*ret_tunnel = read_id(&r, "tunnel");
	*ret_reconnect = read_bool(&r, "reconnect");
	t->name = read_text(&spec, "name", false);
	read_connection(&connection, &t->connection);
	read_upkeep(&upkeep, &t->upkeep);
	if (r.failed) {
		config_tunnel_free(t);
		return -1;
	}
	*ret_spec = t;
	return 0;
}

json_t *wire_forward(uint64_t tunnel, uint64_t forward, const struct config_forward *spec,
		     const struct err *error)
{
	json_t *s = with(json_object(), "name", text(spec->name));
	json_t *m = wire_about_forward("forward", tunnel, forward);

	s = with(s, "type", text(forward_type_name(spec->type)));
	s = with(s, "listen_host", text(spec->listen_host));
	s = with(s, "listen_port", integer(spec->listen_port));
	s = with(s, "target_host", text(spec->target_host));
	s = with(s, "target_port", integer(spec->target_port));
	return with(with(m, "error", error_json(error)), "spec", s);
}

int wire_read_forward(json_t *m, uint64_t *ret_tunnel, uint64_t *ret_forward,
		      struct config_forward *ret_spec, struct err *ret_error, struct err *err)
{
	struct reader r = { .object = m, .err = err };
	struct reader s = part_of(&r, json_object_get(m, "spec"));

	*ret_spec = (struct config_forward){ 0 };
	*ret_tunnel = read_id(&r, "tunnel");
	*ret_forward = read_id(&r, "forward");
	read_error(&r, "error", ret_error);
	ret_spec->name = read_text(&s, "name", false);
	ret_spec->type = (enum forward_type)read_word(&s, "type", forward_type_from_name);
	ret_spec->listen_host = read_text(&s, "listen_host", false);
	ret_spec->listen_port = (uint16_t)read_integer(&s, "listen_port", UINT16_MAX);
	ret_spec->target_host = read_text(&s, "target_host", false);
	ret_spec->target_port = (uint16_t)read_integer(&s, "target_port", UINT16_MAX);
	if (r.failed) {
		config_forward_fini(ret_spec);
		return -1;
	}
	return 0;
}

/* ---- small messages ---- */

json_t *wire_settings(enum log_level level, unsigned handshakes)
{
	json_t *m = with(message("settings"), "log_level", text(log_level_name(level)));

	return with(m, "handshakes", integer(handshakes));
}

int wire_read_settings(json_t *m, enum log_level *ret_level, unsigned *ret_handshakes,
		       struct err *err)
{
	struct reader r = { .object = m, .err = err };

	*ret_level = (enum log_level)read_word(&r, "log_level", log_level_from_name);
	*ret_handshakes = read_unsigned(&r, "handshakes");
	return done(&r);
}

json_t *wire_about(const char *type, uint64_t tunnel)
{
	return with(message(type), "tunnel", integer(tunnel));
}

int wire_read_about(json_t *m, uint64_t *ret_tunnel, struct err *err)
{
	struct reader r = { .object = m, .err = err };

	*ret_tunnel = read_id(&r, "tunnel");
	return done(&r);
}

json_t *wire_about_forward(const char *type, uint64_t tunnel, uint64_t forward)
{
	return with(wire_about(type, tunnel), "forward", integer(forward));
}

int wire_read_about_forward(json_t *m, uint64_t *ret_tunnel, uint64_t *ret_forward, struct err *err)
{
	struct reader r = { .object = m, .err = err };

	*ret_tunnel = read_id(&r, "tunnel");
	*ret_forward = read_id(&r, "forward");
	return done(&r);
}

json_t *wire_ping(uint64_t seq)
{
	return with(message("ping"), "seq", integer(seq));
}

int wire_read_ping(json_t *m, uint64_t *ret_seq, struct err *err)
{
	struct reader r = { .object = m, .err = err };

	*ret_seq = read_id(&r, "seq");
	return done(&r);
}

json_t *wire_wake(void)
{
	return message("wake");
}

json_t *wire_shutdown(void)
{
	return message("shutdown");
}

json_t *wire_ready(const char *version, const char *libssh)
{
	return with(with(message("ready"), "version", text(version)), "libssh", text(libssh));
}

int wire_read_ready(json_t *m, char *ret_version, size_t version_size, char *ret_libssh,
		    size_t libssh_size, struct err *err)
{
	struct reader r = { .object = m, .err = err };

	read_shown(&r, "version", ret_version, version_size);
	read_shown(&r, "libssh", ret_libssh, libssh_size);
	return done(&r);
}

json_t *wire_pong(const struct wire_pong *pong)
{
	json_t *m = with(message("pong"), "seq", integer(pong->seq));

	m = with(m, "stall_us", integer(pong->stall_us));
	m = with(m, "worst_stall_us", integer(pong->worst_stall_us));
	return with(m, "sessions", integer(pong->sessions));
}

int wire_read_pong(json_t *m, struct wire_pong *ret, struct err *err)
{
	struct reader r = { .object = m, .err = err };

	ret->seq = read_id(&r, "seq");
	ret->stall_us = read_unsigned(&r, "stall_us");
	ret->worst_stall_us = read_unsigned(&r, "worst_stall_us");
	ret->sessions = read_unsigned(&r, "sessions");
	return done(&r);
}

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
		o = with(o, session_rows[i].key,
			 shown((const char *)session + session_rows[i].offset));
	return o;
}

static void read_session(struct reader *r, const char *key, struct wire_session *ret)
{
	json_t *o = json_object_get(r->object, key);
	struct reader part = part_of(r, o);

	if (!o || json_is_null(o))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(session_rows); i++)
		read_shown(&part, session_rows[i].key, (char *)ret + session_rows[i].offset,
			   session_rows[i].size);
}

json_t *wire_tunnel_state(const struct wire_tunnel_state *state)
{
	json_t *m = wire_about("state", state->tunnel);

	m = with(m, "state", text(tunnel_state_name(state->state)));
	m = with(m, "attempt", integer(state->attempt));
	m = with(m, "retry_at_ms", integer(state->retry_at_ms));
	m = with(m, "error", error_json(&state->error));
	return with(m, "session", session_json(&state->session));
}

int wire_read_tunnel_state(json_t *m, struct wire_tunnel_state *ret, struct err *err)
{
	struct reader r = { .object = m, .err = err };

	*ret = (struct wire_tunnel_state){ 0 };
	ret->tunnel = read_id(&r, "tunnel");
	ret->state = (enum tunnel_state)read_word(&r, "state", tunnel_state_from_name);
	ret->attempt = read_unsigned(&r, "attempt");
	ret->retry_at_ms = read_id(&r, "retry_at_ms");
	read_error(&r, "error", &ret->error);
	read_session(&r, "session", &ret->session);
	return done(&r);
}

json_t *wire_forward_state(const struct wire_forward_state *state)
{
	json_t *m = wire_about_forward("forward-state", state->tunnel, state->forward);

	m = with(m, "state", text(forward_state_name(state->state)));
	return with(m, "error", error_json(&state->error));
}

int wire_read_forward_state(json_t *m, struct wire_forward_state *ret, struct err *err)
{
	struct reader r = { .object = m, .err = err };

	ret->tunnel = read_id(&r, "tunnel");
	ret->forward = read_id(&r, "forward");
	ret->state = (enum forward_state)read_word(&r, "state", forward_state_from_name);
	read_error(&r, "error", &ret->error);
	return done(&r);
}

/* ---- counters ---- */

static json_t *with_counters(json_t *o, const struct wire_counters *c)
{
	o = with(o, "bytes_in", integer(c->bytes_in));
	o = with(o, "bytes_out", integer(c->bytes_out));
	o = with(o, "connections", integer(c->connections));
	return with(o, "connections_total", integer(c->connections_total));
}

static void read_counters(struct reader *r, struct wire_counters *ret)
{
	ret->bytes_in = read_id(r, "bytes_in");
	ret->bytes_out = read_id(r, "bytes_out");
	ret->connections = read_id(r, "connections");
	ret->connections_total = read_id(r, "connections_total");
}

json_t *wire_stats(const struct wire_stats *stats)
{
	json_t *m = with_counters(wire_about("stats", stats->tunnel), &stats->counters);
	json_t *forwards = json_array();

	for (size_t i = 0; forwards && i < stats->forward_count; i++) {
		const struct wire_forward_stats *f = &stats->forwards[i];
		json_t *o = with(json_object(), "forward", integer(f->forward));

		if (json_array_append_new(forwards, with_counters(o, &f->counters)) < 0) {
			json_decref(forwards);
			forwards = NULL;
		}
	}
	m = with(m, "rtt_us", json_integer(stats->rtt_us));
	return with(m, "forwards", forwards);
}

static void read_forward_stats(struct reader *r, const char *key, struct wire_stats *ret)
{
	json_t *array = json_object_get(r->object, key);
	size_t count = json_array_size(array);

	if (json_is_array(array) && count <= FORWARDS_MAX)
		ret->forwards = calloc(count + 1, sizeof(*ret->forwards));
	if (!ret->forwards) {
		fail(r, key);
		return;
	}
	for (size_t i = 0; i < count && !r->failed; i++) {
		struct reader part = part_of(r, json_array_get(array, i));

		ret->forwards[i].forward = read_id(&part, "forward");
		read_counters(&part, &ret->forwards[i].counters);
		ret->forward_count++;
	}
}

int wire_read_stats(json_t *m, struct wire_stats *ret, struct err *err)
{
	struct reader r = { .object = m, .err = err };
	json_t *rtt = json_object_get(m, "rtt_us");

	*ret = (struct wire_stats){ 0 };
	ret->tunnel = read_id(&r, "tunnel");
	read_counters(&r, &ret->counters);
	if (!json_is_integer(rtt))
		fail(&r, "rtt_us");
	ret->rtt_us = MAX(json_integer_value(rtt), -1);
	read_forward_stats(&r, "forwards", ret);
	if (r.failed)
		wire_stats_fini(ret);
	return done(&r);
}

void wire_stats_fini(struct wire_stats *stats)
{
	free(stats->forwards);
	stats->forwards = NULL;
	stats->forward_count = 0;
}
