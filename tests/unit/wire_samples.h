/* SPDX-License-Identifier: MIT */
/*
 * One message of each kind between supervisor and worker, every field with a value of its own.
 */
#pragma once

#include "daemon/common/wire.h"
#include "daemon/common/wire_hostkey.h"

extern const struct config_tunnel sample_tunnel;
extern const struct config_forward sample_forward;
extern const struct wire_session sample_session;

json_t *sample_settings_message(void);
json_t *sample_tunnel_message(void);
json_t *sample_forward_message(void);
json_t *sample_about_message(void);
json_t *sample_about_forward_message(void);
json_t *sample_ping_message(void);
json_t *sample_ready_message(void);
json_t *sample_tunnel_state_message(void);
json_t *sample_route_state_message(void);
json_t *sample_forward_state_message(void);
json_t *sample_stats_message(void);
json_t *sample_pong_message(void);
json_t *sample_ask_connections_message(void);
json_t *sample_kill_message(void);
json_t *sample_connect_message(void);
json_t *sample_about_call_message(void);
json_t *sample_connections_message(void);
json_t *sample_killed_message(void);
json_t *sample_connected_message(void);
json_t *sample_host_key_message(void);
json_t *sample_host_key_new_message(void);
json_t *sample_host_key_written_message(void);

/* As it is on the line: encoded and read again. Takes the reference. */
json_t *transmit(json_t *m);
