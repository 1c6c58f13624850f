/* SPDX-License-Identifier: MIT */
/*
 * Asks a proxy on a connected socket for a connection to a server, and hands the socket over at the
 * byte at which the server begins to speak. The words are lib/proxy_client's.
 */
#pragma once

#include "daemon/common/loop.h"
#include "lib/proxy_client.h"

struct proxy_handshake_ops {
	void (*on_done)(void *data, int fd); /* the receiver's */
	void (*on_failed)(void *data, const struct err *err); /* names the proxy */
};

/* Embedded; {0} is one that was never started. */
struct proxy_handshake {
	struct loop *loop; /* NULL: not under way */
	const struct proxy_handshake_ops *ops;
	void *data;
	int fd;
	struct loop_io io;
	struct proxy_client client;
	size_t sent; /* of client.out */
};

/* Takes fd over, even on failure; url is borrowed. Neither of ops is called from within. */
int proxy_handshake_start(struct proxy_handshake *h, struct loop *loop, int fd,
			  const struct proxy_url *url, const char *host, uint16_t port,
			  const struct proxy_handshake_ops *ops, void *data, struct err *err);
void proxy_handshake_stop(struct proxy_handshake *h); /* also from its callbacks */

/* Puts the proxy's name before a message about it; returns -1. */
int proxy_blame(const struct proxy_url *url, struct err *err);
