/* SPDX-License-Identifier: MIT */
/*
 * TCP to whichever address of a name answers first ("happy eyeballs", RFC 8305): families take
 * turns, the next address is tried 250 ms after the last or as soon as it failed, the first
 * connection wins and the others are closed.
 */
#pragma once

#include "daemon/worker/resolve.h"

struct dial;

struct dial_ops {
	/* fd is the receiver's: connected, non-blocking, TCP_NODELAY. The dial is over. */
	void (*on_connected)(void *data, int fd, const struct address *address);
	/* No address answered. The dial is over. */
	void (*on_failed)(void *data, const struct err *err);
};

/* host is for messages. The addresses are copied. NULL: out of memory. */
struct dial *dial_new(struct loop *loop, const char *host, const struct address *addresses,
		      size_t count, const struct dial_ops *ops, void *data, struct err *err);
void dial_free(struct dial *dial); /* may be called from its callbacks */

/* The address that is being tried, for messages: "192.0.2.7:22". */
void dial_describe(const struct dial *dial, char *out, size_t size);
