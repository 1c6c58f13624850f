/* SPDX-License-Identifier: MIT */
/*
 * Messages between supervisor and worker survive a round trip through text; numbers have limits; what
 * strangers said and only is shown comes out printable and bounded.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/str.h"
#include "lib/util.h"
#include "lib/config_diff.h"
#include "tests/unit/wire_samples.h"

/* ---- round trips ---- */

static void test_tunnel_round_trip(void **state)
{
	json_t *m = transmit(sample_tunnel_message());
	struct config_tunnel *t;
	bool reconnect;
	uint64_t id;
	struct err err;

	assert_int_equal(wire_read_tunnel(m, &id, &t, &reconnect, &err), 0);
	assert_int_equal(id, 7);
	assert_true(reconnect);
	assert_string_equal(t->name, "db");
	assert_int_equal(t->route_count, 2);
	assert_int_equal(t->prefer, PREFER_ANY);
	assert_int_equal(t->failback_ms, 77);
	for (size_t i = 0; i < t->route_count; i++) {
		const struct config_route *sent = &sample_tunnel.routes[i], *got = &t->routes[i];

		assert_string_equal(got->host, sent->host);
		assert_int_equal(got->hop_count, sent->hop_count);
		for (size_t j = 0; j < got->hop_count; j++) {
			assert_true(connection_settings_equal(&got->hops[j].connection,
							      &sent->hops[j].connection));
			assert_memory_equal(&got->hops[j].upkeep, &sent->hops[j].upkeep,
					    sizeof(got->hops[j].upkeep));
		}
	}
	assert_memory_equal(&t->upkeep, &sample_tunnel.upkeep, sizeof(t->upkeep));
	config_tunnel_free(t);
	json_decref(m);
}

static void test_tunnel_with_a_port_that_is_none(void **state)
{
	struct config_hop hop = sample_tunnel.routes[0].hops[0];
	struct config_route route = { .host = hop.connection.host, .hops = &hop, .hop_count = 1 };
	struct config_tunnel odd = sample_tunnel, *t;
	bool reconnect;
	uint64_t id;
	struct err err;
	json_t *m;

	odd.routes = &route;
	odd.route_count = 1;
	hop.connection.port = 65536;
	m = transmit(wire_tunnel(0, &odd, false));
	assert_int_equal(wire_read_tunnel(m, &id, &t, &reconnect, &err), -1);
	assert_non_null(strstr(err.msg, "port"));
	json_decref(m);
}

static void test_forward_round_trip(void **state)
{
	json_t *m = transmit(sample_forward_message());
	struct config_forward f;
	struct wire_forward w;
	struct err err;

	assert_int_equal(wire_read_forward(m, &w, &f, &err), 0);
	assert_int_equal(w.tunnel, 7);
	assert_int_equal(w.forward, 9);
	assert_int_equal(w.sockets, 3);
	assert_int_equal(w.bound_port, 4711);
	assert_true(config_forward_equal(&f, &sample_forward));
	assert_string_equal(f.name, sample_forward.name);
	assert_int_equal(f.type, FORWARD_LOCAL);
	assert_string_equal(f.listen.host, "localhost");
	assert_int_equal(f.listen.port, 5432);
	assert_string_equal(f.target.host, "pg");
	assert_int_equal(f.target.port, 65535);
	assert_int_equal(w.error.code, ERR_HOST_KEY_CHANGED);
	assert_string_equal(w.error.msg, "the key of 'x' changed");
	config_forward_fini(&f);
	json_decref(m);
}

static void test_host_key_round_trip(void **state)
{
	json_t *m = transmit(sample_host_key_new_message());
	struct wire_host_key shown;
	struct err err, error;
	uint64_t call;

	assert_int_equal(wire_read_host_key_new(m, &call, &shown, &err), 0);
	assert_int_equal(call, 11);
	assert_int_equal(shown.tunnel, 7);
	assert_int_equal(shown.route, 1);
	assert_int_equal(shown.hop, 2);
	assert_string_equal(shown.server, "me@db:22");
	assert_string_equal(shown.key, "AAAAC3NzaC1lZDI1NTE5");
	json_decref(m);
	m = transmit(sample_host_key_written_message());
	assert_int_equal(wire_read_host_key_written(m, &call, &error, &err), 0);
	assert_int_equal(error.code, ERR_HOST_KEY_CHANGED);
	json_decref(m);
}

static void test_a_host_key_that_is_too_long(void **state)
{
	json_t *m = transmit(sample_host_key_message());
	struct wire_host_key shown;
	char key[PUBLIC_KEY_BASE64_MAX + 2];
	struct err err;

	memset(key, 'A', sizeof(key));
	key[sizeof(key) - 1] = '\0';
	json_object_set_new(m, "key", json_string(key));
	assert_int_equal(wire_read_host_key(m, &shown, &err), -1);
	key[PUBLIC_KEY_BASE64_MAX] = '\0';
	json_object_set_new(m, "key", json_string(key));
	assert_int_equal(wire_read_host_key(m, &shown, &err), 0);
	json_decref(m);
}

static void test_state_round_trip(void **state)
{
	json_t *m = transmit(sample_tunnel_state_message());
	struct wire_tunnel_state s;
	struct err err;

	assert_int_equal(wire_read_tunnel_state(m, &s, &err), 0);
	assert_int_equal(s.tunnel, 7);
	assert_int_equal(s.state, TUNNEL_BACKOFF);
	assert_int_equal(s.attempt, 4);
	assert_int_equal(s.retry_at_ms, 123456789012);
	assert_int_equal(s.error.code, ERR_HOST_KEY_CHANGED);
	assert_string_equal(s.error.msg, "the key of 'x' changed");
	assert_memory_equal(&s.session, &sample_session, sizeof(sample_session));
	assert_int_equal(s.jump_count, 2);
	assert_int_equal(s.jumps[0].state, HOP_FAILED);
	assert_int_equal(s.jumps[0].rtt_us, 250);
	assert_int_equal(s.jumps[0].error.code, ERR_HOST_KEY_CHANGED);
	assert_memory_equal(&s.jumps[0].session, &sample_session, sizeof(sample_session));
	assert_int_equal(s.jumps[1].state, HOP_WAITING);
	assert_int_equal(s.jumps[1].rtt_us, -1);
	assert_int_equal(s.jumps[1].error.code, ERR_NONE);
	assert_string_equal(s.jumps[1].session.address, "");
	wire_state_fini(&s);
	json_decref(m);
	m = transmit(wire_tunnel_state(&(struct wire_tunnel_state){ .state = TUNNEL_UP }));
	assert_int_equal(wire_read_tunnel_state(m, &s, &err), 0);
	assert_int_equal(s.state, TUNNEL_UP);
	assert_int_equal(s.error.code, ERR_NONE);
	assert_string_equal(s.session.address, "");
	assert_int_equal(s.jump_count, 0);
	json_decref(m);
}

static void test_more_jumps_than_there_can_be(void **state)
{
	struct wire_hop jumps[CONFIG_HOPS_MAX] = { 0 };
	struct wire_tunnel_state s = { .jumps = jumps, .jump_count = CONFIG_HOPS_MAX - 1 };
	json_t *m = transmit(wire_tunnel_state(&s));
	struct err err;

	assert_int_equal(wire_read_tunnel_state(m, &s, &err), 0);
	wire_state_fini(&s);
	json_decref(m);
	s.jumps = jumps;
	s.jump_count = CONFIG_HOPS_MAX;
	m = transmit(wire_tunnel_state(&s));
	assert_int_equal(wire_read_tunnel_state(m, &s, &err), -1);
	json_decref(m);
}

static void test_route_state_round_trip(void **state)
{
	json_t *m = transmit(sample_route_state_message());
	struct wire_route_state s = { .route = CONFIG_ROUTES_MAX };
	struct err err;

	assert_int_equal(wire_read_route_state(m, &s, &err), 0);
	assert_int_equal(s.tunnel, 7);
	assert_int_equal(s.route, 2);
	assert_int_equal(s.state, ROUTE_DOWN);
	assert_int_equal(s.error.code, ERR_REFUSED);
	assert_string_equal(s.error.msg, "refused");
	json_object_set_new(m, "route", json_integer(CONFIG_ROUTES_MAX));
	assert_int_equal(wire_read_route_state(m, &s, &err), -1);
	json_decref(m);
}

static void test_forward_state_round_trip(void **state)
{
	json_t *m = transmit(sample_forward_state_message());
	struct wire_forward_state s;
	struct err err;

	assert_int_equal(wire_read_forward_state(m, &s, &err), 0);
	assert_int_equal(s.tunnel, 7);
	assert_int_equal(s.forward, 9);
	assert_int_equal(s.state, FORWARD_FAILED);
	assert_int_equal(s.error.code, ERR_HOST_KEY_CHANGED);
	json_decref(m);
}

static void test_stats_round_trip(void **state)
{
	json_t *m = transmit(sample_stats_message());
	struct wire_stats s;
	struct err err;

	assert_int_equal(wire_read_stats(m, &s, &err), 0);
	assert_int_equal(s.tunnel, 7);
	assert_int_equal(s.rtt_us, 1500);
	assert_memory_equal(&s.counters, &((struct wire_counters){ 11, 12, 13, 14 }),
			    sizeof(s.counters));
	assert_int_equal(s.forward_count, 2);
	assert_int_equal(s.forwards[0].forward, 9);
	assert_int_equal(s.forwards[1].forward, 10);
	assert_memory_equal(&s.forwards[1].counters, &((struct wire_counters){ 5, 6, 7, 8 }),
			    sizeof(s.counters));
	wire_stats_fini(&s);
	json_decref(m);
	m = transmit(wire_stats(&(struct wire_stats){ .rtt_us = -1 }));
	assert_int_equal(wire_read_stats(m, &s, &err), 0);
	assert_int_equal(s.rtt_us, -1);
	assert_int_equal(s.forward_count, 0);
	wire_stats_fini(&s);
	json_decref(m);
}

static void test_call_round_trips(void **state)
{
	static struct wire_connections c;
	struct config_end target;
	uint64_t call, tunnel, last;
	struct err err, error;
	bool found;
	json_t *m;

	m = transmit(sample_ask_connections_message());
	assert_int_equal(wire_read_ask_connections(m, &call, &tunnel, &last, &err), 0);
	assert_int_equal(call * 10000 + tunnel * 100 + last, 50712);
	json_decref(m);
	m = transmit(sample_kill_message());
	assert_int_equal(wire_read_kill(m, &call, &last, &err), 0);
	assert_int_equal(call * 100 + last, 512);
	json_decref(m);
	m = transmit(sample_connect_message());
	assert_int_equal(wire_read_connect(m, &call, &tunnel, &target, &err), 0);
	assert_int_equal(call * 100 + tunnel, 507);
	assert_string_equal(target.host, "db");
	assert_int_equal(target.port, 5432);
	free(target.host);
	json_decref(m);
	m = transmit(sample_connections_message());
	assert_int_equal(wire_read_connections(m, &c, &err), 0);
	assert_int_equal(c.call, 5);
	assert_int_equal(c.count, 1);
	assert_true(c.more);
	assert_int_equal(c.items[0].state, CONNECTION_OPEN);
	assert_string_equal(c.items[0].to, "db:5432");
	assert_int_equal(c.items[0].bytes_in * 10 + c.items[0].bytes_out, 34);
	json_decref(m);
	m = transmit(sample_killed_message());
	assert_int_equal(wire_read_killed(m, &call, &found, &err), 0);
	assert_true(found);
	json_decref(m);
	m = transmit(sample_connected_message());
	assert_int_equal(wire_read_connected(m, &call, &error, &err), 0);
	assert_int_equal(error.code, ERR_HOST_KEY_CHANGED);
	json_decref(m);
}

static void test_small_round_trips(void **state)
{
	char version[16], libssh[16];
	struct wire_pong pong;
	struct wire_settings settings;
	uint64_t id, forward_id, seq;
	struct err err;
	json_t *m;

	m = transmit(sample_settings_message());
	assert_int_equal(wire_read_settings(m, &settings, &err), 0);
	assert_int_equal(settings.level, LOG_DEBUG);
	assert_int_equal(settings.handshakes, 8);
	assert_int_equal(settings.generation, 77);
	json_decref(m);
	m = transmit(sample_about_message());
	assert_int_equal(wire_read_about(m, &id, &err), 0);
	assert_true(id == INT64_MAX);
	json_decref(m);
	m = transmit(sample_about_forward_message());
	assert_int_equal(wire_read_about_forward(m, &id, &forward_id, &err), 0);
	assert_int_equal(id * 100 + forward_id, 709);
	json_decref(m);
	m = transmit(sample_ping_message());
	assert_int_equal(wire_read_ping(m, &seq, &err), 0);
	assert_int_equal(seq, 3);
	json_decref(m);
	m = transmit(sample_ready_message());
	assert_int_equal(wire_read_ready(m, version, sizeof(version), libssh, 5, &err), 0);
	assert_string_equal(version, "0.1.0");
	assert_string_equal(libssh, "0..."); /* bounded */
	json_decref(m);
	m = transmit(sample_pong_message());
	assert_int_equal(wire_read_pong(m, &pong, &err), 0);
	assert_int_equal(pong.seq, 3);
	assert_int_equal(pong.stall_us, 10);
	assert_int_equal(pong.worst_stall_us, 20);
	assert_int_equal(pong.sessions, 30);
	json_decref(m);
	m = transmit(wire_shutdown());
	assert_string_equal(json_string_value(json_object_get(m, "type")), "shutdown");
	json_decref(m);
}

/* ---- numbers and text ---- */

static int read_tunnel(json_t *m)
{
	struct config_tunnel *spec = NULL;
	bool reconnect;
	struct err err;
	uint64_t id;
	int rc = wire_read_tunnel(m, &id, &spec, &reconnect, &err);

	config_tunnel_free(spec);
	return rc;
}

static int read_stats(json_t *m)
{
	struct wire_stats stats;
	struct err err;
	int rc = wire_read_stats(m, &stats, &err);

	wire_stats_fini(&stats);
	return rc;
}

static void assert_tunnel_id(json_int_t number, bool good)
{
	json_t *m = json_pack("{s:s, s:I}", "type", "ping", "seq", number);
	uint64_t seq;
	struct err err;

	assert_int_equal(wire_read_ping(m, &seq, &err), good ? 0 : -1);
	json_decref(m);
}

static void test_numbers_have_limits(void **state)
{
	json_t *m = transmit(sample_tunnel_message());
	json_t *route = json_array_get(json_object_get(json_object_get(m, "spec"), "routes"), 0);
	json_t *hop = json_array_get(json_object_get(route, "hops"), 0);
	json_t *connection = json_object_get(hop, "connection");
	struct wire_pong pong;
	struct err err;

	assert_tunnel_id(0, true);
	assert_tunnel_id(INT64_MAX, true);
	assert_tunnel_id(-1, false);
	json_object_set_new(connection, "port", json_integer(65536));
	assert_int_equal(read_tunnel(m), -1);
	json_object_set_new(connection, "port", json_integer(65535));
	assert_int_equal(read_tunnel(m), 0);
	json_decref(m);
	m = transmit(sample_pong_message());
	json_object_set_new(m, "sessions", json_integer(0x100000000));
	assert_int_equal(wire_read_pong(m, &pong, &err), -1);
	json_decref(m);
}

static void test_words_are_known(void **state)
{
	json_t *m = transmit(sample_tunnel_state_message());
	struct wire_tunnel_state s;
	struct err err;

	json_object_set_new(json_object_get(m, "error"), "code", json_string("a-new-slug"));
	assert_int_equal(wire_read_tunnel_state(m, &s, &err), 0);
	assert_int_equal(s.error.code, ERR_INTERNAL);
	wire_state_fini(&s);
	json_object_set_new(m, "state", json_string("upside-down"));
	assert_int_equal(wire_read_tunnel_state(m, &s, &err), -1);
	json_decref(m);
}

/* What a hostile worker writes appears in terminals. */
static void test_shown_text_is_escaped_and_cut(void **state)
{
	json_t *m = transmit(sample_tunnel_state_message());
	struct wire_tunnel_state s;
	char text[5000];
	struct err err;

	memset(text, 'x', sizeof(text));
	memcpy(text, "\x1b[2J\n\xc2\x9b", 7);
	text[sizeof(text) - 1] = '\0';
	json_object_set_new(json_object_get(m, "error"), "message", json_string(text));
	json_object_set_new(json_object_get(m, "session"), "address", json_string(text));
	assert_int_equal(wire_read_tunnel_state(m, &s, &err), 0);
	assert_memory_equal(s.error.msg, "\\x1b[2J\\n\\xc2\\x9bxxx", 20);
	assert_int_equal(strlen(s.error.msg), sizeof(s.error.msg) - 1);
	assert_string_equal(s.error.msg + strlen(s.error.msg) - 4, "x...");
	assert_memory_equal(s.session.address, "\\x1b[2J\\n\\xc2\\x9bxxx", 20);
	assert_int_equal(strlen(s.session.address), sizeof(s.session.address) - 1);
	wire_state_fini(&s);
	json_decref(m);
}

/* A message or path may have been cut within a character; the state must get there all the same. */
static void test_text_that_json_does_not_take(void **state)
{
	struct wire_tunnel_state s = { .tunnel = 1,
				       .state = TUNNEL_FAILED,
				       .session = sample_session };
	struct err err;
	json_t *m;

	memset(s.error.msg, 'x', sizeof(s.error.msg) - 2);
	s.error.msg[sizeof(s.error.msg) - 2] = '\xc3';
	s.error.code = ERR_AUTH;
	strcpy(s.session.identity, "/keys/\xff");
	m = transmit(wire_tunnel_state(&s));
	assert_int_equal(wire_read_tunnel_state(m, &s, &err), 0);
	assert_int_equal(s.error.code, ERR_AUTH);
	assert_memory_equal(s.error.msg, "xxxx", 4);
	assert_true(str_is_utf8(s.error.msg, strlen(s.error.msg)));
	assert_string_equal(s.session.identity, "/keys/\\xff");
	json_decref(m);
}

static void test_stats_are_bounded(void **state)
{
	json_t *m = transmit(sample_stats_message());
	json_t *forwards = json_object_get(m, "forwards");

	while (json_array_size(forwards) < 4096)
		json_array_append(forwards, json_array_get(forwards, 0));
	assert_int_equal(read_stats(m), 0);
	json_array_append(forwards, json_array_get(forwards, 0));
	assert_int_equal(read_stats(m), -1);
	json_decref(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tunnel_round_trip),
		cmocka_unit_test(test_tunnel_with_a_port_that_is_none),
		cmocka_unit_test(test_forward_round_trip),
		cmocka_unit_test(test_host_key_round_trip),
		cmocka_unit_test(test_a_host_key_that_is_too_long),
		cmocka_unit_test(test_state_round_trip),
		cmocka_unit_test(test_more_jumps_than_there_can_be),
		cmocka_unit_test(test_route_state_round_trip),
		cmocka_unit_test(test_forward_state_round_trip),
		cmocka_unit_test(test_stats_round_trip),
		cmocka_unit_test(test_call_round_trips),
		cmocka_unit_test(test_small_round_trips),
		cmocka_unit_test(test_numbers_have_limits),
		cmocka_unit_test(test_words_are_known),
		cmocka_unit_test(test_shown_text_is_escaped_and_cut),
		cmocka_unit_test(test_text_that_json_does_not_take),
		cmocka_unit_test(test_stats_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
