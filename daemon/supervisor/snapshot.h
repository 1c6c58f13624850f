/* SPDX-License-Identifier: MIT */
/*
 * What is known of tunnels as the JSON objects of docs/io.tunneld.Manager.varlink. Every function
 * returns a new reference, NULL without memory.
 */
#pragma once

#include <jansson.h>

#include "daemon/supervisor/tunnels.h"

json_t *snapshot_tunnel(const struct tunnel *t); /* Tunnel */
json_t *snapshot_settings(const struct config_tunnel *spec); /* Settings */
json_t *snapshot_session(const struct wire_session *s); /* Session, or null */
json_t *snapshot_hops(const struct tunnel *t); /* []Hop */
json_t *snapshot_servers(const struct tunnel *t); /* []Server */
json_t *snapshot_jumps(const struct tunnel *t); /* []Jump */
json_t *snapshot_events(const struct tunnel *t); /* []Event */
json_t *snapshot_error(enum err_code code, const char *message); /* Error, or null */
json_t *snapshot_err(const struct err *err); /* the same; NULL: null */
json_t *snapshot_rtt(int64_t rtt_us); /* milliseconds, or null */
json_t *snapshot_time(uint64_t realtime_ms); /* RFC 3339 */
json_t *snapshot_strings(const struct strv *v); /* []string */
