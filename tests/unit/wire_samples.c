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
const struct config_tunnel sample_tunnel = {
	.name = (char[]){ "db" },
	.connection = { .host = (char[]){ "bastion" },
			.port = 2222,
			.user = (char[]){ "me" },
			.identities = { identities, 1 },
			.identities_implied = true,
			.known_hosts = { known_hosts, 2 },
			.ciphers = (char[]){ "aes128-ctr" } },
	.upkeep = { 1, 2, 3, 4, 5, 6, 7 },
};
const struct config_forward sample_forward = {
	.name = (char[]){ "local:5432" },
	.listen_host = (char[]){ "localhost" },
	.listen_port = 5432,
	.target_host = (char[]){ "pg" },
	.target_port = 65535,
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
	return wire_settings(LOG_DEBUG, 8);
}

json_t *sample_tunnel_message(void)
{
	return wire_tunnel(7, &sample_tunnel, true);
}

json_t *sample_forward_message(void)
{
	struct err err = some_error();

	return wire_forward(7, 9, &sample_forward, &err);
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
	struct wire_tunnel_state state = { .tunnel = 7,
					   .state = TUNNEL_BACKOFF,
					   .attempt = 4,
					   .retry_at_ms = 123456789012,
					   .error = some_error(),
					   .session = sample_session };

	return wire_tunnel_state(&state);
}

json_t *sample_forward_state_message(void)
{
	struct wire_forward_state state = {
		.tunnel = 7, .forward = 9, .state = FORWARD_FAILED, .error = some_error()
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
