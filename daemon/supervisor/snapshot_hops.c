/* SPDX-License-Identifier: MIT */
/*
 * The servers on the way of a tunnel, as clients see them. Of the jumps the worker reports a state each;
 * the server at the end is in the state the tunnel is in, once the way to it is open.
 */
#include "daemon/supervisor/snapshot.h"
#include "lib/endpoint.h"

static const struct config_route *route_of(const struct tunnel *t, size_t *ret_jumps)
{
	const struct config_route *route = tunnel_route(t);

	*ret_jumps = route->hop_count - 1;
	return route;
}

/* NULL: nothing is known of it. */
static const struct wire_hop *report_of(const struct tunnel *t, size_t index, size_t jumps)
{
	return t->jump_count == jumps && t->state != TUNNEL_STOPPED ? &t->jumps[index] : NULL;
}

/* Whether there is a jump that keeps the server from being tried. */
static bool is_cut_off(const struct tunnel *t, size_t jumps)
{
	if (jumps == 0 || t->jump_count != jumps || t->state == TUNNEL_STOPPED)
		return false;
	for (size_t i = 0; i < jumps; i++) {
		if (t->jumps[i].state == HOP_FAILED)
			return true;
	}
	return t->state == TUNNEL_CONNECTING && t->jumps[jumps - 1].state != HOP_UP;
}

static const char *state_of(const struct tunnel *t, size_t index, size_t jumps)
{
	const struct wire_hop *report;

	if (index == jumps)
		return is_cut_off(t, jumps) ? hop_state_name(HOP_WAITING)
					    : tunnel_state_name(t->state);
	report = report_of(t, index, jumps);
	if (report)
		return hop_state_name(report->state);
	return t->state == TUNNEL_STOPPED ? tunnel_state_name(TUNNEL_STOPPED)
					  : hop_state_name(HOP_WAITING);
}

static const struct err *error_of(const struct tunnel *t, size_t index, size_t jumps)
{
	const struct wire_hop *report = index < jumps ? report_of(t, index, jumps) : NULL;

	if (index == jumps)
		return is_cut_off(t, jumps) ? NULL : t->error;
	return report ? &report->error : NULL;
}

static const char *host_of(char out[ENDPOINT_TEXT_MAX], const struct config_hop *hop)
{
	return endpoint_format(out, hop->connection.host, (uint16_t)hop->connection.port);
}

json_t *snapshot_hops(const struct tunnel *t)
{
	json_t *array = json_array();
	char host[ENDPOINT_TEXT_MAX];
	size_t jumps;
	const struct config_route *route = route_of(t, &jumps);

	for (size_t i = 0; array && i <= jumps; i++) {
		json_t *hop = json_pack("{s:s, s:s, s:o}", "host", host_of(host, &route->hops[i]),
					"state", state_of(t, i, jumps), "error",
					snapshot_err(error_of(t, i, jumps)));

		if (json_array_append_new(array, hop) < 0) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

json_t *snapshot_jumps(const struct tunnel *t)
{
	json_t *array = json_array();
	char host[ENDPOINT_TEXT_MAX];
	size_t jumps;
	const struct config_route *route = route_of(t, &jumps);

	for (size_t i = 0; array && i < jumps; i++) {
		const struct wire_hop *report = report_of(t, i, jumps);
		json_t *jump = json_pack(
			"{s:s, s:s, s:s, s:o, s:o, s:o}", "host", host_of(host, &route->hops[i]),
			"user", route->hops[i].connection.user, "state", state_of(t, i, jumps),
			"error", snapshot_err(error_of(t, i, jumps)), "rtt_ms",
			snapshot_rtt(report ? report->rtt_us : -1), "session",
			snapshot_session(report ? &report->session : NULL));

		if (json_array_append_new(array, jump) < 0) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}
