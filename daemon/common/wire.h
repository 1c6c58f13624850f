/* SPDX-License-Identifier: MIT */
/*
 * What supervisor and worker say to each other: one JSON object a packet, "type" names it. This file
 * is the protocol's only description, and wire.c the only place that writes and reads its fields.
 * Tunnels and forwards are named by numbers the supervisor gives out and never uses twice.
 *
 * Supervisor to worker
 *   settings        {log_level, handshakes, generation}   handshakes: unfinished ones allowed per
 *                                                     server; generation: of this worker process
 *   tunnel          {tunnel, spec, reconnect}         new, or new settings; reconnect: a new session
 *   forward         {tunnel, forward, spec, sockets, bound_port, error?}
 *                                                     with its listening sockets, or as many as a
 *                                                     packet takes; error: why there are none; said
 *                                                     again: replaces the sockets
 *   forward-sockets {tunnel, forward}                 with more of them
 *   forward-remove  {tunnel, forward}                 stops listening; open connections go on
 *   tunnel-remove   {tunnel}                          ends everything
 *   start, stop, restart {tunnel}                     start also ends backoff and failed
 *   connections     {call, tunnel, after}             which are open, by id, after that one?
 *   kill            {call, connection}
 *   connect         {call, tunnel, target}            opens a channel for a client of our own
 *   attach          {call}                            with its socket: the bytes may flow
 *   connect-cancel  {call}                            the client is gone
 *   answer          {call, answers}                   to a question, one a prompt; null: nobody is
 *                                                     there who could say
 *   command-started {call, error?}                    with the other end of its standard input and
 *                                                     output (wire_command.h)
 *   command-ended   {call, error}                     by itself; error says how
 *   wake            {}                                the network may be another one: end waits
 *   host-key-written {call, error?}                  answers host-key-new
 *   ping            {seq}
 *   shutdown        {}                                close channels and sessions politely, exit 0
 *
 * Worker to supervisor
 *   ready           {version, libssh}
 *   state           {tunnel, state, attempt, retry_at_ms, route, error?, session?, jumps}
 *                                                     each change once; jumps: {state, rtt_us,
 *                                                     error?, session?} of each
 *   route-state     {tunnel, route, state, error?}    of each of several servers; each change once
 *   host-key        {tunnel, route, hop, server, key} the server of that hop has shown it (base64)
 *   host-key-new    {call, tunnel, route, hop, server, key}
 *                                                     nobody knows it; write it down, so that the
 *                                                     attempt can go on
 *   forward-state   {tunnel, forward, state, port, note?, error?}
 *   stats           {tunnel, bytes_in, bytes_out, connections, connections_total, rtt_us, forwards}
 *                                                     at most twice a second, only when changed
 *   connections     {call, connections, more}         answers; more: ask again after the last one
 *   killed          {call, found}
 *   connected       {call, error?}
 *   question        {call, tunnel, route, hop, kind, again, subject, name, instruction, prompts}
 *                                                     what has to be said before a server lets us
 *                                                     in; the call's number is the worker's own;
 *                                                     keyboard-interactive without prompts: the
 *                                                     server only says something, no answer
 *   wrong-answer    as question                       the last answer to it was wrong, and the session has
 *                                                     ended: it is not kept any more
 *   question-cancel {call}                            no answer is wanted any more
 *   forward-removed {tunnel, forward}                 the worker's copies of its sockets are closed,
 *                                                     and the server has been told not to listen
 *   tunnel-removed  {tunnel}                          the same for all of them
 *   command         {call, tunnel, route, hop, server}
 *                                                     run the proxy_command of that server
 *   command-end     {call}                            it is not needed any more, or its end is known
 *   pong            {seq, stall_us, worst_stall_us, sessions}
 *
 * The worker may not have read the latest settings yet: what it says of a hop names the server as well
 * (user@host:port; a question's subject, unless that is a key), and is void when another stands there.
 *
 * Times ending in _at_ms are CLOCK_MONOTONIC, which all processes of a machine share.
 */
#pragma once

#include <jansson.h>

#include "lib/config.h"
#include "lib/endpoint.h"
#include "lib/tunnel_state.h"

struct wire_settings {
	enum log_level level;
	unsigned handshakes;
	uint32_t generation; /* worker processes so far; never given twice */
};

/* What a worker knows of a session that got at least as far as TCP. Strings "" when unknown. */
struct wire_session {
	char address[160]; /* "192.0.2.7:22", "db:22 through proxy 10.0.0.1:1080" */
	char server_version[128]; /* "SSH-2.0-OpenSSH_9.2p1 Debian-2", escaped */
	char cipher[64], kex[64];
	char host_key[128]; /* "ssh-ed25519 SHA256:..." */
	char identity[256]; /* path of the key that was accepted */
};

/* A jump of a tunnel's route. */
struct wire_hop {
	enum hop_state state;
	int64_t rtt_us; /* -1: not measured in this session */
	struct err error; /* why, for HOP_FAILED */
	struct wire_session session;
};

struct wire_tunnel_state {
	uint64_t tunnel;
	enum tunnel_state state;
	unsigned attempt; /* attempts since the last stable session; 1 is the first */
	unsigned route; /* index of the tunnel's route that is used or tried */
	uint64_t retry_at_ms; /* TUNNEL_BACKOFF only */
	struct err error; /* why, for backoff, failed, degraded; code ERR_NONE otherwise */
	struct wire_session session;
	struct wire_hop
		*jumps; /* in the order they are reached; borrowed, or of wire_state_fini() */
	size_t jump_count;
};

/* One of several servers of a tunnel. */
struct wire_route_state {
	uint64_t tunnel;
	unsigned route; /* its index */
	enum route_state state;
	struct err error; /* why, for ROUTE_DOWN and ROUTE_FAILED; code ERR_NONE otherwise */
};

struct wire_forward {
	uint64_t tunnel, forward;
	unsigned sockets; /* listening sockets there are, in this packet and in forward-sockets */
	uint16_t bound_port; /* remote: where the server listened for it last; 0: it never did */
	struct err error; /* why there are no sockets */
};

struct wire_forward_state {
	uint64_t tunnel, forward;
	enum forward_state state;
	uint16_t port; /* remote: where the server listens; 0: nowhere, or it did not say where */
	char note[256]; /* what a person should know though it works; "": nothing */
	struct err error; /* of the last failure that has not been disproved since */
};

/* A connection, as it is listed. Ids are of the whole daemon: generation << 32 | a number. */
struct wire_connection {
	uint64_t id;
	uint64_t forward; /* 0: it is a client of `connect` */
	enum connection_state state;
	char from[ENDPOINT_TEXT_MAX], to[ENDPOINT_TEXT_MAX]; /* "" while it is not known */
	uint64_t opened_at_ms, active_at_ms; /* CLOCK_MONOTONIC */
	uint64_t bytes_in, bytes_out; /* in: from the server */
};

#define WIRE_CONNECTIONS_MAX 64 /* in one answer: it has to fit into a packet, however escaped */

struct wire_connections {
	uint64_t call;
	struct wire_connection items[WIRE_CONNECTIONS_MAX];
	size_t count;
	bool more;
};

struct wire_counters {
	uint64_t bytes_in, bytes_out; /* payload; in: from the server */
	uint64_t connections, connections_total; /* open now, ever */
};

struct wire_forward_stats {
	uint64_t forward;
	struct wire_counters counters;
};

struct wire_stats {
	uint64_t tunnel;
	int64_t rtt_us; /* last measured; -1: never */
	struct wire_counters counters;
	struct wire_forward_stats *forwards;
	size_t forward_count;
};

struct wire_pong {
	uint64_t seq;
	unsigned stall_us, worst_stall_us;
	unsigned sessions;
};

/* Encoders return a new reference, or NULL when out of memory. */
json_t *wire_settings(const struct wire_settings *settings);
json_t *wire_tunnel(uint64_t tunnel, const struct config_tunnel *spec, bool reconnect);
json_t *wire_forward(const struct wire_forward *forward, const struct config_forward *spec);
json_t *wire_about(const char *type, uint64_t tunnel); /* {type, tunnel} */
json_t *wire_about_forward(const char *type, uint64_t tunnel, uint64_t forward);
json_t *wire_ask_connections(uint64_t call, uint64_t tunnel, uint64_t after);
json_t *wire_kill(uint64_t call, uint64_t connection);
json_t *wire_connect(uint64_t call, uint64_t tunnel, const struct config_end *target);
json_t *wire_about_call(const char *type, uint64_t call); /* {type, call} */
json_t *wire_connections(const struct wire_connections *connections);
json_t *wire_killed(uint64_t call, bool found);
json_t *wire_connected(uint64_t call, const struct err *error);
json_t *wire_ping(uint64_t seq);
json_t *wire_wake(void);
json_t *wire_shutdown(void);
json_t *wire_ready(const char *version, const char *libssh);
json_t *wire_tunnel_state(const struct wire_tunnel_state *state);
json_t *wire_route_state(const struct wire_route_state *state);
json_t *wire_forward_state(const struct wire_forward_state *state);
json_t *wire_stats(const struct wire_stats *stats);
json_t *wire_pong(const struct wire_pong *pong);

/* Decoders fill *ret completely or return -1 with err (ERR_PROTOCOL); text is escaped and bounded.
 */
int wire_read_settings(json_t *m, struct wire_settings *ret, struct err *err);
int wire_read_tunnel(json_t *m, uint64_t *ret_tunnel, struct config_tunnel **ret_spec,
		     bool *ret_reconnect, struct err *err);
int wire_read_forward(json_t *m, struct wire_forward *ret, struct config_forward *ret_spec,
		      struct err *err);
int wire_read_about(json_t *m, uint64_t *ret_tunnel, struct err *err);
int wire_read_about_forward(json_t *m, uint64_t *ret_tunnel, uint64_t *ret_forward,
			    struct err *err);
int wire_read_ask_connections(json_t *m, uint64_t *ret_call, uint64_t *ret_tunnel,
			      uint64_t *ret_after, struct err *err);
int wire_read_kill(json_t *m, uint64_t *ret_call, uint64_t *ret_connection, struct err *err);
/* ret_target's host is the caller's to free */
int wire_read_connect(json_t *m, uint64_t *ret_call, uint64_t *ret_tunnel,
		      struct config_end *ret_target, struct err *err);
int wire_read_about_call(json_t *m, uint64_t *ret_call, struct err *err);
int wire_read_connections(json_t *m, struct wire_connections *ret, struct err *err);
int wire_read_killed(json_t *m, uint64_t *ret_call, bool *ret_found, struct err *err);
int wire_read_connected(json_t *m, uint64_t *ret_call, struct err *ret_error, struct err *err);
int wire_read_ping(json_t *m, uint64_t *ret_seq, struct err *err);
int wire_read_ready(json_t *m, char *ret_version, size_t version_size, char *ret_libssh,
		    size_t libssh_size, struct err *err);
int wire_read_tunnel_state(json_t *m, struct wire_tunnel_state *ret,
			   struct err *err); /* wire_state_fini() */
int wire_read_route_state(json_t *m, struct wire_route_state *ret, struct err *err);
int wire_read_forward_state(json_t *m, struct wire_forward_state *ret, struct err *err);
int wire_read_stats(json_t *m, struct wire_stats *ret, struct err *err); /* wire_stats_fini() */
int wire_read_pong(json_t *m, struct wire_pong *ret, struct err *err);

void wire_state_fini(struct wire_tunnel_state *state);
void wire_stats_fini(struct wire_stats *stats);
