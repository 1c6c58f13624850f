/* SPDX-License-Identifier: MIT */
#include "daemon/supervisor/listeners.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/util.h"

#define BACKLOG 4096
#define SWEEP_BATCH 256 /* sockets closed in one go; some 2 ms */

void listeners_init(struct listeners *ls)
{
	ls->parked = 0;
	for (size_t i = 0; i < LISTENERS_BUCKETS; i++)
		list_init(&ls->buckets[i]);
}

void listener_close(struct listener *l)
{
	list_remove(&l->link);
	if (address_is_unix(&l->address))
		unix_socket_remove(l->address.un.sun_path, &l->file);
	close(l->fd);
	free(l);
}

void listeners_fini(struct listeners *ls)
{
	struct listener *l;

	for (size_t i = 0; i < LISTENERS_BUCKETS; i++) {
		list_for_each (l, &ls->buckets[i], link)
			listener_close(l);
	}
	ls->parked = 0;
}

static struct list *bucket_of(struct listeners *ls, const struct address *a)
{
	return &ls->buckets[address_hash(a) % LISTENERS_BUCKETS];
}

/* One of ours that is, or is in the way of, this address; the equal one is preferred. */
static struct listener *find(struct listeners *ls, const struct address *a)
{
	struct listener *l, *found = NULL;

	list_for_each (l, bucket_of(ls, a), link) {
		if (address_equal(&l->address, a))
			return l;
		if (address_overlaps(&l->address, a))
			found = l;
	}
	return found;
}

static enum listener_verdict explain(const struct address *a, int sys, struct err *err)
{
	char text[ADDRESS_TEXT_MAX];

	address_format(text, a);
	switch (sys) {
	case EADDRINUSE:
		return LISTENER_BUSY_OTHER;
	case EAFNOSUPPORT:
		err_set(err, ERR_BIND, "cannot listen on %s: this machine has no IPv%d", text,
			a->sa.sa_family == AF_INET6 ? 6 : 4);
		return LISTENER_UNSUPPORTED;
	case EADDRNOTAVAIL:
		err_set(err, ERR_BIND, "cannot listen on %s: no interface has this address", text);
		return LISTENER_UNSUPPORTED;
	case EACCES:
		err_set(err, ERR_BIND,
			"cannot listen on %s: a port this low needs a privilege; give tunneld "
			"CAP_NET_BIND_SERVICE (systemd: AmbientCapabilities=) or choose a port "
			"from 1024 on",
			text);
		return LISTENER_ERROR;
	default:
		err_set_errno(err, ERR_BIND, sys, "cannot listen on %s", text);
		return LISTENER_ERROR;
	}
}

/* The descriptor, or -1 with errno. */
static int bind_socket(struct address *a)
{
	int fd = socket(a->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int one = 1;
	socklen_t length = sizeof(a->v6);

	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    (a->sa.sa_family == AF_INET6 &&
	     setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) < 0) ||
	    bind(fd, &a->sa, a->length) < 0 || listen(fd, BACKLOG) < 0 ||
	    getsockname(fd, &a->sa, &length) < 0)
		closep(&fd);
	return fd;
}

static enum listener_verdict open_fd(struct listener *l, const struct address *address,
				     const struct unix_rights *rights, struct err *err)
{
	if (address_is_unix(address)) {
		l->fd = unix_socket_open(address->un.sun_path, rights, BACKLOG, &l->file, err);
		return l->fd >= 0 ? LISTENER_TAKEN : LISTENER_ERROR;
	}
	l->fd = bind_socket(&l->address);
	return l->fd >= 0 ? LISTENER_TAKEN : explain(address, errno, err);
}

static enum listener_verdict open_new(struct listeners *ls, const struct address *address,
				      const struct unix_rights *rights, const char *holder,
				      struct listener **ret, struct err *err)
{
	struct listener *l = calloc(1, sizeof(*l));
	enum listener_verdict verdict;

	if (!l) {
		err_nomem(err);
		return LISTENER_ERROR;
	}
	l->address = *address;
	l->holder = holder;
	verdict = open_fd(l, address, rights, err);
	if (verdict != LISTENER_TAKEN) {
		free(l);
		return verdict;
	}
	list_append(bucket_of(ls, &l->address), &l->link);
	*ret = l;
	return LISTENER_TAKEN;
}

static enum listener_verdict explain_holder(const struct address *address, const struct listener *l,
					    struct err *err)
{
	char text[ADDRESS_TEXT_MAX];

	if (l->state != LISTENER_HELD)
		return LISTENER_BUSY_LEAVING;
	err_set(err, ERR_PORT_IN_USE, "%s is in use by tunnel '%s'; choose another 'listen'",
		address_format(text, address), l->holder);
	return LISTENER_BUSY_OURS;
}

/* A parked wildcard in the way of one address, or the reverse, is of no use; neither is a Unix
 * socket whose file is not what it was, or cannot be changed. */
static bool is_usable(const struct listener *l, const struct address *address,
		      const struct unix_rights *rights)
{
	return address_equal(&l->address, address) &&
	       (!address_is_unix(address) ||
		unix_socket_set_rights(address->un.sun_path, &l->file, rights));
}

enum listener_verdict listeners_take(struct listeners *ls, const struct address *address,
				     const struct unix_rights *rights, const char *holder,
				     struct listener **ret, struct err *ret_err)
{
	bool is_known = address_is_unix(address) || address_port(address);
	struct listener *l = is_known ? find(ls, address) : NULL;

	if (!l)
		return open_new(ls, address, rights, holder, ret, ret_err);
	if (l->state != LISTENER_PARKED)
		return explain_holder(address, l, ret_err);
	ls->parked--;
	if (!is_usable(l, address, rights)) {
		listener_close(l);
		return listeners_take(ls, address, rights, holder, ret, ret_err);
	}
	l->state = LISTENER_HELD;
	l->holder = holder;
	*ret = l;
	return LISTENER_TAKEN;
}

void listener_leave(struct listener *l)
{
	l->state = LISTENER_LEAVING;
	l->holder = NULL;
}

void listener_park(struct listeners *ls, struct listener *l)
{
	l->state = LISTENER_PARKED;
	l->holder = NULL;
	ls->parked++;
}

bool listeners_sweep(struct listeners *ls)
{
	struct listener *l;
	unsigned closed = 0;

	for (size_t i = 0; i < LISTENERS_BUCKETS && ls->parked > 0; i++) {
		list_for_each (l, &ls->buckets[i], link) {
			if (l->state != LISTENER_PARKED)
				continue;
			if (closed++ == SWEEP_BATCH)
				return false;
			listener_close(l);
			ls->parked--;
		}
	}
	return true;
}
