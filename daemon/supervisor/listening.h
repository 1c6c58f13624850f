/* SPDX-License-Identifier: MIT */
/*
 * What one forward wants to listen on: a host, which may be a name or stand for several addresses,
 * with a port or a range of ports, or the path of a Unix socket. It has all of its sockets or none;
 * until it has them it knows why, and tries again every second. Names and the search for who has a
 * port run on offload threads. A Unix socket whose file is lost is made anew.
 */
#pragma once

#include "daemon/common/offload.h"
#include "daemon/supervisor/listeners.h"
#include "daemon/supervisor/port_search.h"
#include "daemon/supervisor/unix_watch.h"
#include "lib/config.h"

struct listening;

enum listening_state {
	LISTENING_PENDING, /* cannot be said yet; it will be soon */
	LISTENING_BOUND,
	LISTENING_FAILED, /* listening_error() says why; goes on trying */
};

/* All forwards that listen or try to. */
struct listen_service {
	struct loop *loop;
	struct offload *names; /* borrowed */
	struct listeners sockets;
	struct list unbound; /* struct listening: pending or failed */
	struct unix_watch files; /* of bound Unix sockets */
	unsigned pending; /* of them */
	struct loop_timer retry;
	struct loop_defer recheck; /* after a socket of ours became free */
	struct loop_defer more; /* for who wants more sockets than are bound in one go */
	bool has_released; /* the recheck has not run yet */
	struct port_search search;
	/* The state or the reason of owner's claim is another one; never from within
	 * listening_open(). */
	void (*on_change)(void *data, void *owner);
	void *data;
};

int listen_service_init(struct listen_service *s, struct loop *loop, struct offload *names,
			struct offload *disk, void (*on_change)(void *data, void *owner),
			void *data, struct err *err);
void listen_service_fini(struct listen_service *s); /* every listening must be closed */

/* For spec->listen; of spec nothing is kept. holder is the tunnel's name, borrowed. NULL: out of
 * memory. */
struct listening *listening_open(struct listen_service *s, const char *holder,
				 const struct config_forward *spec, void *owner);

/* Nobody was given the sockets: they are parked. */
void listening_close(struct listening *l);

/* A worker has copies: closes the claim, but the sockets are leaving until
 * listen_service_release(). Returns them in an array the caller frees. */
struct listener **listening_detach(struct listening *l, size_t *ret_count);
void listen_service_release(struct listen_service *s, struct listener *const *sockets,
			    size_t count);

/* Closes some of what was released and is wanted by nobody; to be called when all claims of a change
 * are made. True: nothing is left. */
bool listen_service_sweep(struct listen_service *s);

enum listening_state listening_state(const struct listening *l);
const struct err *listening_error(const struct listening *l);
/* The sockets while bound, by host and then by port. */
struct listener *const *listening_sockets(const struct listening *l, size_t *ret_count);
bool listening_has_waiting(const struct listening *l); /* a client stands in a backlog */
