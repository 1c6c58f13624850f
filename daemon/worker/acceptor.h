/* SPDX-License-Identifier: MIT */
/*
 * The worker's end of listening sockets the supervisor owns. Connections are accepted only while
 * somebody can serve them; otherwise they wait in the kernel's backlog, for `hold` at most, and are
 * reset when that was in vain. A session that comes back serves them all, and even the death of
 * this process refuses nobody.
 */
#pragma once

#include <sys/socket.h>

#include "daemon/worker/parts.h"

struct acceptor;

enum acceptor_mode {
	ACCEPTOR_HOLDS, /* no session at the moment */
	ACCEPTOR_SERVES,
	ACCEPTOR_REFUSES, /* none will come by itself: reset at once */
};

struct acceptor_ops {
	bool (*has_room)(void *data); /* may one more be served? */
	/* fd is the receiver's: non-blocking. port_offset: from the first port of a range. */
	void (*on_client)(void *data, int fd, const struct sockaddr_storage *from,
			  unsigned port_offset);
	void (*on_waiting)(void *data); /* a client waits and nobody can serve it */
	void (*on_change)(void *data); /* acceptor_is_holding() may say something else */
};

/* Embedded. name and ops are borrowed; first_port: of a range, 0 for Unix sockets. */
struct acceptor {
	const struct worker_parts *parts;
	const char *name;
	unsigned first_port;
	unsigned hold_ms;
	const struct acceptor_ops *ops;
	void *data;

	enum acceptor_mode mode;
	struct listener *listeners;
	size_t count, expected;
	bool holding; /* clients are in the backlog, the hold timer runs */
	struct loop_timer hold_timer, pause_timer;
	bool paused; /* descriptors or memory ran out */
	struct loop_defer reset_more; /* a backlog is reset by turns */
	uint64_t short_since_ms; /* when descriptors ran out; 0: there are some */
	uint64_t complained_ms; /* when it last logged that it cannot accept; 0: never */
};

int acceptor_init(struct acceptor *a, const struct worker_parts *parts, const char *name,
		  unsigned first_port, unsigned hold_ms, const struct acceptor_ops *ops, void *data,
		  struct err *err);
void acceptor_fini(struct acceptor *a);

/* Drops the sockets it has, for `expected` others that acceptor_add_sockets() brings. -1: no
 * memory. */
int acceptor_replace_sockets(struct acceptor *a, size_t expected);
/* Takes the descriptors (sets them to -1) as far as they are expected; they are listened to when
 * all of them are there. */
int acceptor_add_sockets(struct acceptor *a, int *fds, size_t count);
void acceptor_close_sockets(struct acceptor *a);

/* Holding on keeps the clock of clients that wait already. */
void acceptor_set_mode(struct acceptor *a, enum acceptor_mode mode);
void acceptor_rearm(struct acceptor *a); /* after has_room() may have changed its mind */

bool acceptor_is_holding(const struct acceptor *a);
bool acceptor_has_waiting(const struct acceptor *a); /* asks the kernel as well */
