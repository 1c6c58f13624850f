/* SPDX-License-Identifier: MIT */
#include "tests/unit/wire_samples.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "lib/util.h"

json_t *transmit(json_t *m)
{
	char *text;
	json_t *copy;

	assert_non_null(m);
	text = json_dumps(m, JSON_COMPACT);
	assert_non_null(text);
	json_decref(m);
	copy = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(copy);
	free(text);
	return copy;
}

static char *known_hosts[] = { (char[]){ "/etc/a" }, (char[]){ "/etc/b" } };
static char *identities[] = { (char[]){ "/keys/ä" } };
static char *allow[] = { (char[]){ "*.internal:443" } };
static char *command[] = { (char[]){ "nc" }, (char[]){ "%h" } };
static struct config_hop direct[] = {
	{ .connection = { .host = (char[]){ "bastion" },
			  .original = (char[]){ "b" },
			  .port = 2222,
			  .user = (char[]){ "me" },
			  .identities = { identities, 1 },
			  .identities_implied = true,
			  .known_hosts = { known_hosts, 2 },
			  .ciphers = (char[]){ "aes128-ctr" } },
	  .upkeep = { 1, 2, 3, 4, 5, 6, 7, 1 } },
};
static struct config_hop jumps[] = {
	{ .connection = { .host = (char[]){ "jump" },
			  .original = (char[]){ "jump" },
			  .port = 22,
			  .user = (char[]){ "admin" },
			  .proxy_command = { command, 2 } } },
	{ .connection = { .host = (char[]){ "spare" },
			  .original = (char[]){ "spare" },
			  .port = 22,
			  .user = (char[]){ "me" } } },
};
static struct config_route routes[] = {
	{ .host = (char[]){ "b" }, .hops = direct, .hop_count = 1 },
	{ .host = (char[]){ "spare" }, .hops = jumps, .hop_count = 2 },
};
const struct config_tunnel sample_tunnel = {
	.name = (char[]){ "db" },
	.routes = routes,
	.route_count = 2,
	.prefer = PREFER_ANY,
	.failback_ms = 77,
	.upkeep = { 1, 2, 3, 4, 5, 6, 7, 1 },
};
const struct config_forward sample_forward = {
	.name = (char[]){ "local:5432" },
	.listen.host = (char[]){ "localhost" },
	.listen.port = 5432,
	.target.host = (char[]){ "pg" },
	.target.port = 65535,
	.port_count = 1,
	.allow = { allow, 1 },
	.user = (char[]){ "u" },
	.password = (char[]){ "p" },
	.max_connections = 8,
	.idle_timeout_ms = 9,
};
const struct wire_session sample_session = {
	.address = "192.0.2.7:22",
	.server_version = "SSH-2.0-x",
	.cipher = "aes128-gcm@openssh.com",
	.kex = "curve25519-sha256",
	.host_key = "ssh-ed25519 SHA256:x",
	.identity = "/keys/ä",
};

static struct err some_error(void)
{
	struct err err;

	err_set(&err, ERR_HOST_KEY_CHANGED, "the key of 'x' changed");
	return err;
}

json_t *sample_settings_message(void)
{
	return wire_settings(&(struct wire_settings){ LOG_DEBUG, 8, 77 });
}

json_t *sample_tunnel_message(void)
{
	return wire_tunnel(7, &sample_tunnel, true);
}

json_t *sample_forward_message(void)
{
	struct wire_forward forward = {
		.tunnel = 7, .forward = 9, .sockets = 3, .bound_port = 4711, .error = some_error()
	};

	return wire_forward(&forward, &sample_forward);
}

json_t *sample_about_message(void)
{
	return wire_about("start", INT64_MAX);
}

json_t *sample_about_forward_message(void)
{
	return wire_about_forward("forward-remove", 7, 9);
}

json_t *sample_ping_message(void)
{
	return wire_ping(3);
}

json_t *sample_ready_message(void)
{
	return wire_ready("0.1.0", "0.10.6");
}

json_t *sample_tunnel_state_message(void)
{
	struct wire_hop reached[] = {
		{ .state = HOP_FAILED,
		  .rtt_us = 250,
		  .error = some_error(),
		  .session = sample_session },
		{ .state = HOP_WAITING, .rtt_us = -1 },
	};
	struct wire_tunnel_state state = { .tunnel = 7,
					   .state = TUNNEL_BACKOFF,
					   .attempt = 4,
					   .retry_at_ms = 123456789012,
					   .error = some_error(),
					   .session = sample_session,
					   .jumps = reached,
					   .jump_count = 2 };

	return wire_tunnel_state(&state);
}

json_t *sample_route_state_message(void)
{
	struct wire_route_state state = { .tunnel = 7, .route = 2, .state = ROUTE_DOWN };

	err_set(&state.error, ERR_REFUSED, "refused");
	return wire_route_state(&state);
}

json_t *sample_forward_state_message(void)
{
	struct wire_forward_state state = {
		.tunnel = 7,
		.forward = 9,
		.state = FORWARD_FAILED,
		.port = 4711,
		.note = "look",
		.error = some_error(),
	};

	return wire_forward_state(&state);
}

json_t *sample_stats_message(void)
{
	struct wire_forward_stats forwards[] = { { 9, { 1, 2, 3, 4 } }, { 10, { 5, 6, 7, 8 } } };
	struct wire_stats stats = { .tunnel = 7,
				    .rtt_us = 1500,
				    .counters = { 11, 12, 13, 14 },
				    .forwards = forwards,
				    .forward_count = 2 };

	return wire_stats(&stats);
}

json_t *sample_pong_message(void)
{
	return wire_pong(&(struct wire_pong){ 3, 10, 20, 30 });
}

json_t *sample_ask_connections_message(void)
{
	return wire_ask_connections(5, 7, 12);
}

json_t *sample_kill_message(void)
{
	return wire_kill(5, 12);
}

json_t *sample_connect_message(void)
{
	struct config_end target = { END_TCP, (char[]){ "db" }, 5432 };

	return wire_connect(5, 7, &target);
}

json_t *sample_about_call_message(void)
{
	return wire_about_call("attach", 5);
}

json_t *sample_connections_message(void)
{
	static struct wire_connections connections = {
		.call = 5,
		.items = { { .id = 12,
			     .forward = 9,
			     .state = CONNECTION_OPEN,
			     .from = "127.0.0.1:1",
			     .to = "db:5432",
			     .opened_at_ms = 1,
			     .active_at_ms = 2,
			     .bytes_in = 3,
			     .bytes_out = 4 } },
		.count = 1,
		.more = true,
	};

	return wire_connections(&connections);
}

json_t *sample_killed_message(void)
{
	return wire_killed(5, true);
}

json_t *sample_connected_message(void)
{
	struct err err = some_error();

	return wire_connected(5, &err);
}

static const struct wire_host_key shown_key = { 7, 1, 2, "me@db:22", "AAAAC3NzaC1lZDI1NTE5" };

json_t *sample_host_key_message(void)
{
	return wire_host_key(&shown_key);
}

json_t *sample_host_key_new_message(void)
{
	return wire_host_key_new(11, &shown_key);
}

json_t *sample_host_key_written_message(void)
{
	struct err err = some_error();

	return wire_host_key_written(11, &err);
}
