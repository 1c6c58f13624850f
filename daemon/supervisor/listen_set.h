/* SPDX-License-Identifier: MIT */
/*
 * The sockets that one forward wants: each of its ports on each of its addresses, all of them or none. They
 * are taken from listeners.c in goes that are short enough for the loop; nothing here waits or tries again.
 */
#pragma once

#include "daemon/supervisor/listeners.h"

struct listen_set {
	bool is_lenient; /* an address this machine lacks is skipped */
	bool is_any_port; /* the kernel chooses one for the first socket */
	struct address *wanted;
	struct listener *
		*sockets; /* NULL: not taken yet; by index of wanted until it is complete */
	size_t count; /* of both; once it is complete, of sockets */
	size_t first; /* where taking begins: with what was busy last time */
};

/* Every port, from port on, on every one of these addresses. -1: no memory. */
int listen_set_want(struct listen_set *set, const struct address *hosts, size_t count,
		    uint16_t port, uint16_t port_count);
void listen_set_fini(struct listen_set *set); /* what was taken must be dropped, or handed over */

enum listen_take {
	LISTEN_TAKE_ALL, /* that can be had */
	LISTEN_TAKE_MORE, /* there are more than are bound in one go */
	LISTEN_TAKE_LEAVING, /* a socket of ours is about to become free */
	LISTEN_TAKE_BUSY, /* a process that is not ours has an address */
	LISTEN_TAKE_FAILED, /* err says why */
};

/* Takes what is not taken yet, or a good part of it. *ret_at is the one it ended at, where it did. */
enum listen_take listen_set_take(struct listen_set *set, struct listeners *from,
				 const struct unix_rights *rights, const char *holder,
				 size_t *ret_at, struct err *err);
void listen_set_drop(struct listen_set *set); /* closes what was taken */
void listen_set_compact(
	struct listen_set *set); /* closes the gaps of addresses that were skipped */
bool listen_set_has_sockets(const struct listen_set *set);

/* A client stands in a backlog. */
bool listen_set_has_waiting(struct listener *const *sockets, size_t count);
