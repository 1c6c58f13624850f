/* SPDX-License-Identifier: MIT */
/*
 * Every local listening socket of the daemon, known by its address. A socket is held by one
 * forward; when the forward goes, the socket leaves: the worker may still have a copy, and the port
 * stays taken until that is closed. After the worker's acknowledgement it is parked, so that
 * whoever wants the same address next gets this very socket with the clients that wait in it; what
 * nobody wanted is closed by a sweep. So no reload ever refuses a client, and none fails to bind
 * because of us. A Unix socket is one of them, with the file that belongs to it.
 */
#pragma once

#include <stdbool.h>

#include "daemon/supervisor/address.h"
#include "daemon/supervisor/unix_socket.h"
#include "lib/err.h"
#include "lib/list.h"

#define LISTENERS_BUCKETS 256

enum listener_state {
	LISTENER_HELD,
	LISTENER_LEAVING, /* the worker has not said that its copy is closed */
	LISTENER_PARKED, /* free for the taking until the next sweep */
};

struct listener {
	struct list link; /* listeners.buckets[address_hash() % LISTENERS_BUCKETS] */
	struct address address;
	int fd;
	struct unix_file file; /* of a Unix socket */
	enum listener_state state;
	const char *holder; /* name of the tunnel, for messages; only while held */
};

struct listeners {
	struct list buckets[LISTENERS_BUCKETS];
	unsigned parked;
};

enum listener_verdict {
	LISTENER_TAKEN, /* ret is yours */
	LISTENER_BUSY_LEAVING, /* ours, but not free yet: ask again after a release */
	LISTENER_BUSY_OURS, /* another tunnel of ours holds it; ret_err says which */
	LISTENER_BUSY_OTHER, /* another program has it */
	LISTENER_UNSUPPORTED, /* this machine lacks the family or the address; ret_err */
	LISTENER_ERROR, /* ret_err */
};

void listeners_init(struct listeners *ls);
void listeners_fini(struct listeners *ls); /* closes all of them */

/* Port 0: the kernel chooses; the listener's address then has the port. rights are for a Unix
 * socket. holder is borrowed until the listener leaves or is closed. */
enum listener_verdict listeners_take(struct listeners *ls, const struct address *address,
				     const struct unix_rights *rights, const char *holder,
				     struct listener **ret, struct err *ret_err);
void listener_leave(struct listener *l);
void listener_park(struct listeners *ls,
		   struct listener *l); /* acknowledged, or never handed out */
void listener_close(struct listener *l); /* at once: nobody else may have it */
/* Closes some of what is parked; true: nothing is left. */
bool listeners_sweep(struct listeners *ls);
