/* SPDX-License-Identifier: MIT */
/*
 * The public vocabulary of what a tunnel, a server on its way, a forward and a connection can be. The
 * worker reports these, the supervisor keeps and republishes them, tunctl prints them; the words are
 * written once, here.
 */
#pragma once

#include <stdbool.h>

enum tunnel_state {
	TUNNEL_STOPPED, /* not wanted: `tunctl down`, or start: manual */
	TUNNEL_CONNECTING, /* names, TCP, waiting for the SSH banner */
	TUNNEL_VERIFYING, /* key exchange and host key */
	TUNNEL_AUTHENTICATING, /* proving who we are */
	TUNNEL_OPENING, /* forwards */
	TUNNEL_UP, /* carries traffic */
	TUNNEL_DEGRADED, /* connected, but a forward does not work */
	TUNNEL_BACKOFF, /* waiting to try again, with the reason */
	TUNNEL_FAILED, /* a person must act, with the reason */
	TUNNEL_STATE_COUNT
};

/* A server on the way of a tunnel. */
enum hop_state {
	HOP_WAITING, /* for the server before it, or for its turn; or nothing is wanted of it */
	HOP_CONNECTING, /* the same three as above */
	HOP_VERIFYING,
	HOP_AUTHENTICATING,
	HOP_UP, /* there is a session */
	HOP_FAILED, /* there is none, with the reason */
	HOP_STATE_COUNT
};

/* One of several servers of a tunnel. */
enum route_state {
	ROUTE_IDLE, /* not used, and nothing is known against it */
	ROUTE_CONNECTING, /* on the way to a session */
	ROUTE_STANDBY, /* there is a session, and the tunnel moves to it when nobody would notice */
	ROUTE_UP, /* carries the tunnel */
	ROUTE_DOWN, /* does not work, with the reason, and is tried again */
	ROUTE_FAILED, /* the same, but a person must act before that */
	ROUTE_STATE_COUNT
};

enum forward_state {
	FORWARD_CLOSED, /* no session, so nothing to forward through */
	FORWARD_WAITING, /* no session yet, and clients wait in the backlog */
	FORWARD_OPENING, /* the server has not answered yet (remote forwards) */
	FORWARD_OPEN, /* accepts and forwards */
	FORWARD_FAILED, /* does not work, with the reason */
	FORWARD_STATE_COUNT
};

enum connection_state {
	CONNECTION_HANDSHAKE, /* a proxy's client has not said where it wants to go */
	CONNECTION_OPENING, /* the other end is being reached */
	CONNECTION_OPEN,
	CONNECTION_STATE_COUNT
};

const char *tunnel_state_name(enum tunnel_state state); /* "up" */
const char *hop_state_name(enum hop_state state);
const char *route_state_name(enum route_state state);
const char *forward_state_name(enum forward_state state);
const char *connection_state_name(enum connection_state state);

/* -1 for a word that is none. */
int tunnel_state_from_name(const char *name);
int hop_state_from_name(const char *name);
int route_state_from_name(const char *name);
int forward_state_from_name(const char *name);
int connection_state_from_name(const char *name);

/* A state in which an SSH session carries (or could carry) connections. */
static inline bool tunnel_state_is_connected(enum tunnel_state state)
{
	return state == TUNNEL_UP || state == TUNNEL_DEGRADED;
}

/* A state nothing leaves by itself within the current attempt: what `tunctl up` waits for. */
static inline bool tunnel_state_is_settled(enum tunnel_state state)
{
	return state == TUNNEL_UP || state == TUNNEL_DEGRADED || state == TUNNEL_FAILED ||
	       state == TUNNEL_STOPPED;
}
