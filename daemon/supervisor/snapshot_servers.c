/* SPDX-License-Identifier: MIT */
#include "daemon/supervisor/servers.h"
#include "daemon/supervisor/snapshot.h"

static json_t *server_snapshot(const struct tunnel *t, size_t route)
{
	struct server s;

	servers_get(t, route, &s);
	return json_pack("{s:s, s:s, s:o, s:o}", "host", t->spec->routes[route].host, "state",
			 route_state_name(s.state), "error", snapshot_err(s.error), "since",
			 s.since_ms ? snapshot_time(s.since_ms) : json_null());
}

json_t *snapshot_servers(const struct tunnel *t)
{
	json_t *array = json_array();

	for (size_t i = 0; array && i < t->spec->route_count; i++) {
		if (json_array_append_new(array, server_snapshot(t, i)) < 0) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}
