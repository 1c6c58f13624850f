/* SPDX-License-Identifier: MIT */
/*
 * TCP to whichever address of a name answers first ("happy eyeballs", RFC 8305): families take
 * turns, the next address is tried 250 ms after the last or as soon as it failed, the first
 * connection wins and the others are closed. Where time is short they follow faster, so that each has
 * been tried before it is over.
 */
#pragma once

#include "daemon/worker/resolve.h"
#include "lib/connection.h"

struct dial;

/* How our sockets are to be; {0} is as the system makes them, with QOS_NONE. */
struct dial_options {
	const char *bind_address; /* of this machine: an address, or an interface; NULL: any */
	enum address_family family; /* of the server's addresses */
	bool keepalive; /* of TCP */
	unsigned qos; /* the byte of IP_TOS and IPV6_TCLASS, or QOS_NONE */
	unsigned limit_ms; /* how long the caller will wait; 0: long enough */
};

void dial_options_of(const struct connection_settings *c, struct dial_options *ret);

struct dial_ops {
	/* fd is the receiver's: connected, non-blocking, TCP_NODELAY. The dial is over. */
	void (*on_connected)(void *data, int fd, const struct address *address);
	/* No address answered. The dial is over. */
	void (*on_failed)(void *data, const struct err *err);
};

/* host is for messages. The addresses are copied. options may be NULL. NULL: out of memory, or no address fits the options. */
struct dial *dial_new(struct loop *loop, const char *host, const struct address *addresses,
		      size_t count, const struct dial_options *options, const struct dial_ops *ops,
		      void *data, struct err *err);
void dial_free(struct dial *dial); /* may be called from its callbacks */

/* The address that is being tried, for messages: "192.0.2.7:22, address 2 of 3 of db". */
void dial_describe(const struct dial *dial, char *out, size_t size);
