/* SPDX-License-Identifier: MIT */
#include "lib/tunnel_state.h"

#include <string.h>

static const char *const tunnel_names[TUNNEL_STATE_COUNT] = {
	[TUNNEL_STOPPED] = "stopped",     [TUNNEL_CONNECTING] = "connecting",
	[TUNNEL_VERIFYING] = "verifying", [TUNNEL_AUTHENTICATING] = "authenticating",
	[TUNNEL_OPENING] = "opening",     [TUNNEL_UP] = "up",
	[TUNNEL_DEGRADED] = "degraded",   [TUNNEL_BACKOFF] = "backoff",
	[TUNNEL_FAILED] = "failed",
};

static const char *const hop_names[HOP_STATE_COUNT] = {
	[HOP_WAITING] = "waiting",
	[HOP_CONNECTING] = "connecting",
	[HOP_VERIFYING] = "verifying",
	[HOP_AUTHENTICATING] = "authenticating",
	[HOP_UP] = "up",
	[HOP_FAILED] = "failed",
};

static const char *const route_names[ROUTE_STATE_COUNT] = {
	[ROUTE_IDLE] = "idle",       [ROUTE_CONNECTING] = "connecting",
	[ROUTE_STANDBY] = "standby", [ROUTE_UP] = "up",
	[ROUTE_DOWN] = "down",       [ROUTE_FAILED] = "failed",
};

static const char *const forward_names[FORWARD_STATE_COUNT] = {
	[FORWARD_CLOSED] = "closed", [FORWARD_WAITING] = "waiting", [FORWARD_OPENING] = "opening",
	[FORWARD_OPEN] = "open",     [FORWARD_FAILED] = "failed",
};

static const char *const connection_names[CONNECTION_STATE_COUNT] = {
	[CONNECTION_HANDSHAKE] = "handshake",
	[CONNECTION_OPENING] = "opening",
	[CONNECTION_OPEN] = "open",
};

static int find_name(const char *const names[], int count, const char *name)
{
	for (int i = 0; i < count; i++) {
		if (strcmp(names[i], name) == 0)
			return i;
	}
	return -1;
}

const char *tunnel_state_name(enum tunnel_state state)
{
	return tunnel_names[state];
}

const char *hop_state_name(enum hop_state state)
{
	return hop_names[state];
}

const char *route_state_name(enum route_state state)
{
	return route_names[state];
}

const char *forward_state_name(enum forward_state state)
{
	return forward_names[state];
}

const char *connection_state_name(enum connection_state state)
{
	return connection_names[state];
}

int tunnel_state_from_name(const char *name)
{
	return find_name(tunnel_names, TUNNEL_STATE_COUNT, name);
}

int hop_state_from_name(const char *name)
{
	return find_name(hop_names, HOP_STATE_COUNT, name);
}

int route_state_from_name(const char *name)
{
	return find_name(route_names, ROUTE_STATE_COUNT, name);
}

int forward_state_from_name(const char *name)
{
	return find_name(forward_names, FORWARD_STATE_COUNT, name);
}

int connection_state_from_name(const char *name)
{
	return find_name(connection_names, CONNECTION_STATE_COUNT, name);
}
