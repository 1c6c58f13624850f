/* SPDX-License-Identifier: MIT */
#include "daemon/supervisor/listen_set.h"

#include <poll.h>
#include <stdlib.h>

#include "lib/util.h"

#define POLL_BATCH 64
#define BIND_BATCH 128 /* sockets bound in one go; some 2 ms */

int listen_set_want(struct listen_set *set, const struct address *hosts, size_t count,
		    uint16_t port, uint16_t port_count)
{
	listen_set_fini(set);
	set->is_any_port = port == 0;
	set->wanted = calloc(count * port_count, sizeof(*set->wanted));
	set->sockets = calloc(count * port_count, sizeof(struct listener *));
	if (!set->wanted || !set->sockets)
		return -1;
	for (size_t i = 0; i < count; i++) {
		for (unsigned n = 0; n < port_count; n++) {
			set->wanted[set->count] = hosts[i];
			address_set_port(&set->wanted[set->count++], (uint16_t)(port + n));
		}
	}
	return 0;
}

void listen_set_fini(struct listen_set *set)
{
	free(TAKE(set->wanted));
	free(TAKE(set->sockets));
	set->count = set->first = 0;
}

/* ---- taking ---- */

/* A port the kernel chose for the first socket is the port of the others as well. */
static void share_port(struct listen_set *set, const struct listener *chosen)
{
	for (size_t i = 0; set->is_any_port && i < set->count; i++)
		address_set_port(&set->wanted[i], address_port(&chosen->address));
}

/* LISTEN_TAKE_ALL: it is taken, or not needed. */
static enum listen_take take_one(struct listen_set *set, struct listeners *from,
				 const struct unix_rights *rights, const char *holder, size_t i,
				 struct err *err)
{
	switch (listeners_take(from, &set->wanted[i], rights, holder, &set->sockets[i], err)) {
	case LISTENER_TAKEN:
		share_port(set, set->sockets[i]);
		return LISTEN_TAKE_ALL;
	case LISTENER_BUSY_LEAVING:
		return LISTEN_TAKE_LEAVING;
	case LISTENER_UNSUPPORTED:
		return set->is_lenient ? LISTEN_TAKE_ALL : LISTEN_TAKE_FAILED;
	case LISTENER_BUSY_OTHER:
		return LISTEN_TAKE_BUSY;
	case LISTENER_BUSY_OURS:
	case LISTENER_ERROR:
		break;
	}
	return LISTEN_TAKE_FAILED;
}

enum listen_take listen_set_take(struct listen_set *set, struct listeners *from,
				 const struct unix_rights *rights, const char *holder,
				 size_t *ret_at, struct err *err)
{
	enum listen_take taken = LISTEN_TAKE_ALL;
	int tried = 0;

	for (size_t n = 0; n < set->count && taken == LISTEN_TAKE_ALL; n++) {
		size_t i = (set->first + n) % set->count;

		if (set->sockets[i])
			continue;
		if (tried++ == BIND_BATCH)
			return LISTEN_TAKE_MORE;
		*ret_at = i;
		taken = take_one(set, from, rights, holder, i, err);
	}
	return taken;
}

void listen_set_drop(struct listen_set *set)
{
	for (size_t i = 0; i < set->count; i++) {
		if (set->sockets[i])
			listener_close(TAKE(set->sockets[i]));
	}
}

void listen_set_compact(struct listen_set *set)
{
	size_t kept = 0;

	for (size_t i = 0; i < set->count; i++) {
		if (set->sockets[i])
			set->sockets[kept++] = set->sockets[i];
	}
	set->count = kept;
}

bool listen_set_has_sockets(const struct listen_set *set)
{
	for (size_t i = 0; i < set->count; i++) {
		if (set->sockets[i])
			return true;
	}
	return false;
}

bool listen_set_has_waiting(struct listener *const *sockets, size_t count)
{
	struct pollfd fds[POLL_BATCH];
	size_t used = 0;

	for (size_t i = 0; i < count; i++) {
		fds[used++] = (struct pollfd){ .fd = sockets[i]->fd, .events = POLLIN };
		if (used < POLL_BATCH && i + 1 < count)
			continue;
		if (poll(fds, used, 0) > 0)
			return true;
		used = 0;
	}
	return false;
}
