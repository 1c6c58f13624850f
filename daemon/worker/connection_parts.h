/* SPDX-License-Identifier: MIT */
/*
 * What a connection is made of, for the files that are it; nobody else includes this. connection.c has its
 * way from arrival to end, connection_proxy.c what is different when a proxy speaks with the client, and
 * connection_home.c what all connections of a forward share.
 */
#pragma once

#include "daemon/worker/connection.h"
#include "daemon/worker/outgoing.h"
#include "daemon/worker/proxy.h"
#include "daemon/worker/pump.h"
#include "daemon/worker/relay.h"

struct connection {
	struct list link; /* connection_home.list */
	struct connection_home *home;
	uint64_t id;
	uint64_t opened_ms;
	enum connection_state state;
	char from[ENDPOINT_TEXT_MAX], to[ENDPOINT_TEXT_MAX];
	struct channel_origin origin;

	bool is_remote; /* the client is on the server's side, the far end on ours */
	int fd; /* the near end, while nobody else has it; -1 */
	struct channel_pipe *pipe; /* being opened, or not joined with anything yet */
	struct outgoing outgoing; /* a far end being connected */
	struct proxy *proxy; /* speaks with the client */
	bool is_stream; /* what the proxy was asked for last */
	struct relay *relay; /* joins a socket and a channel */
	struct pump *pump; /* joins the two sockets of a remote proxy's stream */
	struct relay_traffic traffic;
	bool listed, over;
	struct loop_grave grave;
};

/* ---- connection.c ---- */

/* The only writer of c->state: how many are not open yet is limited. */
void connection_set_state(struct connection *c, enum connection_state state);
/* Joins fd with the open channel; takes all three on success. */
int connection_join(struct connection *c, int fd, char *early, size_t early_size, struct err *err);
/* Sets out for a target. port 0: host is the path of a Unix socket. */
int connection_reach(struct connection *c, const char *host, uint16_t port, struct err *err);
/* What was said last may still be on its way to the channel; nothing more will come. */
void connection_end_after_relay(struct connection *c);

/* ---- connection_proxy.c ---- */

/* A proxy speaks with the client at fd; takes it on success. */
int connection_proxy_start(struct connection *c, int fd, struct err *err);
/* The same for a client that came by a channel. */
int connection_proxy_start_behind_pair(struct connection *c, struct err *err);
/* What the client asked for is reached: by the channel, or by fd, which is taken. */
int connection_proxy_join(struct connection *c, struct err *err);
int connection_proxy_take(struct connection *c, int fd, struct err *err);
