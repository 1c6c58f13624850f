/* SPDX-License-Identifier: MIT */
/*
 * One connection of a forward, from its arrival to its end. It has a near end, where the client is,
 * and a far end, where it wants to go; whichever is not there yet is being reached, and then bytes
 * flow:
 *
 *   local       socket that was accepted        channel to be opened
 *   dynamic     the same, behind a proxy        channel to be opened where the client says
 *   remote      channel the server opened       socket to be connected
 *   remote dynamic  the same, with a proxy behind it
 *   direct      socket that comes later         channel to be opened (tunctl nc)
 */
#pragma once

#include "daemon/worker/channel_pipe.h"
#include "daemon/worker/connection_home.h"

struct connection;

struct connection_ops {
	/* It is on its way somewhere, for the first time or again. */
	void (*on_opening)(void *data);
	/* The far end was reached (err NULL), or not; for a proxy's client any number of times. */
	void (*on_reached)(void *data, struct connection *c, const struct err *err);
	/* It is over, has left its list, and is freed after the turn. */
	void (*on_end)(void *data, struct connection *c);
};

/* All of them count and list the connection, and return NULL with err when there is no memory (or
 * no way to the target); then fd or pipe remain the caller's. from: "127.0.0.1:4711", for lists. */

struct connection *connection_open_local(struct connection_home *home, int fd,
					 const struct channel_origin *from,
					 const struct config_end *target, unsigned port_offset,
					 struct err *err);
struct connection *connection_open_dynamic(struct connection_home *home, int fd,
					   const struct channel_origin *from, struct err *err);
/* These two take ssh, and may run inside libssh. */
struct connection *connection_open_remote(struct connection_home *home, ssh_channel ssh,
					  const char *from, const struct config_end *target,
					  unsigned port_offset, struct err *err);
struct connection *connection_open_remote_dynamic(struct connection_home *home, ssh_channel ssh,
						  const char *from, struct err *err);
/* After on_reached, the socket comes with connection_attach(), which takes it. */
struct connection *connection_open_direct(struct connection_home *home,
					  const struct config_end *target, struct err *err);
void connection_attach(struct connection *c, int fd);

/* Ends it: orderly, or with a reset. on_end is called. */
void connection_end(struct connection *c, bool reset);
/* Ends it, if its client has gone while it was opening (all: or later), or nothing has passed for too
 * long. */
void connection_reap(struct connection *c, bool all);

enum connection_state connection_state(const struct connection *c);
void connection_describe(const struct connection *c, struct wire_connection *ret);

struct connection *connection_from_link(struct list *link);
