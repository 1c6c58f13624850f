/* SPDX-License-Identifier: MIT */
/*
 * Every field of every message between supervisor and worker in turn is left out or given another
 * type or an impossible value, and must be missed by name.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/util.h"
#include "tests/unit/wire_samples.h"

/* ---- reading one, whatever it says ---- */

static int read_settings(json_t *m, struct err *err)
{
	struct wire_settings settings;

	return wire_read_settings(m, &settings, err);
}

static int read_tunnel(json_t *m, struct err *err)
{
	struct config_tunnel *spec = NULL;
	uint64_t id;
	bool reconnect;
	int rc = wire_read_tunnel(m, &id, &spec, &reconnect, err);

	config_tunnel_free(spec);
	return rc;
}

static int read_forward(json_t *m, struct err *err)
{
	struct config_forward spec;
	struct wire_forward forward;
	int rc = wire_read_forward(m, &forward, &spec, err);

	if (rc == 0)
		config_forward_fini(&spec);
	return rc;
}

static int read_about(json_t *m, struct err *err)
{
	uint64_t id;

	return wire_read_about(m, &id, err);
}

static int read_about_forward(json_t *m, struct err *err)
{
	uint64_t id, forward_id;

	return wire_read_about_forward(m, &id, &forward_id, err);
}

static int read_ping(json_t *m, struct err *err)
{
	uint64_t seq;

	return wire_read_ping(m, &seq, err);
}

static int read_ready(json_t *m, struct err *err)
{
	char version[16], libssh[16];

	return wire_read_ready(m, version, sizeof(version), libssh, sizeof(libssh), err);
}

static int read_tunnel_state(json_t *m, struct err *err)
{
	struct wire_tunnel_state state;
	int rc = wire_read_tunnel_state(m, &state, err);

	wire_state_fini(&state);
	return rc;
}

static int read_route_state(json_t *m, struct err *err)
{
	struct wire_route_state state;

	return wire_read_route_state(m, &state, err);
}

static int read_forward_state(json_t *m, struct err *err)
{
	struct wire_forward_state state;

	return wire_read_forward_state(m, &state, err);
}

static int read_stats(json_t *m, struct err *err)
{
	struct wire_stats stats;
	int rc = wire_read_stats(m, &stats, err);

	wire_stats_fini(&stats);
	return rc;
}

static int read_pong(json_t *m, struct err *err)
{
	struct wire_pong pong;

	return wire_read_pong(m, &pong, err);
}

static int read_ask_connections(json_t *m, struct err *err)
{
	uint64_t call, tunnel, last;

	return wire_read_ask_connections(m, &call, &tunnel, &last, err);
}

static int read_kill(json_t *m, struct err *err)
{
	uint64_t call, connection;

	return wire_read_kill(m, &call, &connection, err);
}

static int read_connect(json_t *m, struct err *err)
{
	struct config_end target;
	uint64_t call, tunnel;
	int rc = wire_read_connect(m, &call, &tunnel, &target, err);

	if (rc == 0)
		free(target.host);
	return rc;
}

static int read_about_call(json_t *m, struct err *err)
{
	uint64_t call;

	return wire_read_about_call(m, &call, err);
}

static int read_connections(json_t *m, struct err *err)
{
	static struct wire_connections connections;

	return wire_read_connections(m, &connections, err);
}

static int read_killed(json_t *m, struct err *err)
{
	uint64_t call;
	bool found;

	return wire_read_killed(m, &call, &found, err);
}

static int read_connected(json_t *m, struct err *err)
{
	uint64_t call;
	struct err error;

	return wire_read_connected(m, &call, &error, err);
}

static int read_host_key(json_t *m, struct err *err)
{
	struct wire_host_key shown;

	return wire_read_host_key(m, &shown, err);
}

static int read_host_key_new(json_t *m, struct err *err)
{
	struct wire_host_key shown;
	uint64_t call;

	return wire_read_host_key_new(m, &call, &shown, err);
}

static int read_host_key_written(json_t *m, struct err *err)
{
	struct err error;
	uint64_t call;

	return wire_read_host_key_written(m, &call, &error, err);
}

static const struct row {
	const char *type;
	json_t *(*make)(void);
	int (*read)(json_t *m, struct err *err);
} rows[] = {
	{ "settings", sample_settings_message, read_settings },
	{ "tunnel", sample_tunnel_message, read_tunnel },
	{ "forward", sample_forward_message, read_forward },
	{ "start", sample_about_message, read_about },
	{ "forward-remove", sample_about_forward_message, read_about_forward },
	{ "ping", sample_ping_message, read_ping },
	{ "ready", sample_ready_message, read_ready },
	{ "state", sample_tunnel_state_message, read_tunnel_state },
	{ "route-state", sample_route_state_message, read_route_state },
	{ "forward-state", sample_forward_state_message, read_forward_state },
	{ "stats", sample_stats_message, read_stats },
	{ "pong", sample_pong_message, read_pong },
	{ "connections", sample_ask_connections_message, read_ask_connections },
	{ "kill", sample_kill_message, read_kill },
	{ "connect", sample_connect_message, read_connect },
	{ "attach", sample_about_call_message, read_about_call },
	{ "connections", sample_connections_message, read_connections },
	{ "killed", sample_killed_message, read_killed },
	{ "connected", sample_connected_message, read_connected },
	{ "host-key", sample_host_key_message, read_host_key },
	{ "host-key-new", sample_host_key_new_message, read_host_key_new },
	{ "host-key-written", sample_host_key_written_message, read_host_key_written },
};

/* ---- spoiling every field in turn ---- */

static const char *const optional[] = { "error", "session" };

static bool is_optional(const char *key)
{
	for (size_t i = 0; i < ARRAY_SIZE(optional); i++) {
		if (strcmp(key, optional[i]) == 0)
			return true;
	}
	return false;
}

/* key: the field that is bad; inside it when it is an object. */
static void assert_refused(const struct row *row, json_t *m, const char *key, bool is_object)
{
	struct err err = { 0 };
	char says[64];

	if (row->read(m, &err) == 0)
		fail_msg("%s: '%s' was not missed", row->type, key);
	assert_int_equal(err.code, ERR_PROTOCOL);
	snprintf(says, sizeof(says), "message '%s': bad or missing '%s'", row->type, key);
	if (is_object)
		assert_memory_equal(err.msg, says, strcspn(says, ":"));
	else
		assert_string_equal(err.msg, says);
}

static void assert_read(const struct row *row, json_t *m)
{
	struct err err = { 0 };

	if (row->read(m, &err) < 0)
		fail_msg("%s: %s", row->type, err.msg);
}

static bool is_acceptable(const char *key, json_t *good, json_t *value)
{
	if (json_is_integer(good)) /* ours are no negative numbers, except for "never measured" */
		return json_is_integer(value) && strcmp(key, "rtt_us") == 0;
	if (json_is_boolean(good))
		return json_is_boolean(value);
	if (json_is_null(good)) /* a text that is not set */
		return json_is_string(value);
	return json_typeof(good) == json_typeof(value);
}

static void spoil_value(const struct row *row, json_t *m, json_t *object, const char *key)
{
	json_t *good = json_incref(json_object_get(object, key));
	json_t *bad = json_pack("[i, f, b, s, [], {}]", -2, 1.5, 1, "nonsense");
	json_t *value;
	size_t i;

	assert_non_null(bad);
	json_array_foreach (bad, i, value) {
		if (is_acceptable(key, good, value))
			continue;
		assert_int_equal(json_object_set(object, key, value), 0);
		assert_refused(row, m, key, json_is_object(good));
	}
	assert_int_equal(json_object_set(object, key, good), 0);
	json_decref(good);
	json_decref(bad);
}

static void spoil(const struct row *row, json_t *m, json_t *object)
{
	json_t *keys = json_array(), *name;
	const char *key;
	json_t *value;
	size_t i;

	json_object_foreach (object, key, value)
		json_array_append_new(keys, json_string(key));
	json_array_foreach (keys, i, name) {
		json_t *good;

		key = json_string_value(name);
		if (object == m && strcmp(key, "type") == 0)
			continue; /* whoever chose the reader has looked at it */
		good = json_incref(json_object_get(object, key));
		json_object_del(object, key);
		if (is_optional(key))
			assert_read(row, m);
		else
			assert_refused(row, m, key, json_is_object(good));
		json_object_set(object, key, good);
		spoil_value(row, m, object, key);
		if (json_is_object(good))
			spoil(row, m, good);
		if (json_is_array(good) && json_is_object(json_array_get(good, 0)))
			spoil(row, m, json_array_get(good, 0));
		json_decref(good);
	}
	json_decref(keys);
	assert_read(row, m);
}

static void test_every_field_is_missed(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		json_t *m = transmit(rows[i].make());

		assert_string_equal(json_string_value(json_object_get(m, "type")), rows[i].type);
		spoil(&rows[i], m, m);
		json_decref(m);
	}
}

static void test_no_message_at_all(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		json_t *m = json_array();
		struct err err = { 0 };

		assert_int_equal(rows[i].read(m, &err), -1);
		assert_int_equal(err.code, ERR_PROTOCOL);
		json_decref(m);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_field_is_missed),
		cmocka_unit_test(test_no_message_at_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
