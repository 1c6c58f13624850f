/* SPDX-License-Identifier: MIT */
#include "daemon/worker/dial.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/worker/dial_options.h"
#include "lib/util.h"

/* RFC 8305 section 8, "Connection Attempt Delay" */
#define STAGGER_MS 250
#define STAGGER_MIN_MS 10

struct attempt_socket {
	struct dial *dial;
	int fd; /* -1: not started, or over */
	bool is_unbound; /* the address to connect from could not be had */
	struct loop_io io;
	struct address address;
};

struct dial {
	struct loop *loop;
	const struct dial_ops *ops;
	void *data;
	struct loop_timer stagger;
	struct loop_defer start_defer; /* so that nothing is reported from dial_new() */
	struct err reason; /* why a socket failed: what says most of it so far */
	unsigned stagger_ms;
	bool over;
	struct loop_grave grave;
	struct dial_manner manner;
	size_t count, started, failed;
	struct attempt_socket sockets[RESOLVE_ADDRESSES_MAX];
	char host[256];
};

static void socket_close(struct attempt_socket *s)
{
	loop_io_close(&s->io);
	closep(&s->fd);
}

static void close_all(struct dial *d)
{
	loop_timer_stop(&d->stagger);
	for (size_t i = 0; i < d->started; i++)
		socket_close(&d->sockets[i]);
}

static void start_next(struct dial *d);

/* How much a failure says about the server: most when it answered, least when this machine has no way to
 * addresses of that family at all. */
static unsigned weight_of(const struct err *err)
{
	switch (err->sys) {
	case ECONNREFUSED:
	case ECONNRESET:
		return 4;
	case ETIMEDOUT:
		return 3;
	case EHOSTUNREACH:
		return 2;
	case ENETUNREACH:
	case EAFNOSUPPORT:
	case EADDRNOTAVAIL:
		return 0;
	default:
		return 1;
	}
}

static void explain(const struct attempt_socket *s, int sys, struct err *ret)
{
	const struct dial *d = s->dial;
	char text[80];

	address_format(&s->address, text, sizeof(text));
	if (s->is_unbound)
		err_set_errno(ret, ERR_BIND, sys, "bind_address: cannot connect from %s",
			      d->manner.bind_name);
	else if (strncmp(text + (text[0] == '['), d->host, strlen(d->host)) == 0)
		err_set_errno(ret, err_from_errno(sys), sys, "cannot connect to %s", text);
	else if (d->count == 1)
		err_set_errno(ret, err_from_errno(sys), sys, "cannot connect to %s (%s)", d->host,
			      text);
	else
		err_set_errno(ret, err_from_errno(sys), sys,
			      "cannot connect to %s at any of its %zu addresses; %s", d->host,
			      d->count, text);
}

static void socket_failed(struct attempt_socket *s, int sys)
{
	struct dial *d = s->dial;
	struct err err;

	explain(s, sys, &err);
	socket_close(s);
	if (d->failed++ == 0 || weight_of(&err) > weight_of(&d->reason))
		d->reason = err;
	if (d->started < d->count) {
		start_next(d);
	} else if (d->failed == d->count) {
		d->over = true;
		loop_timer_stop(&d->stagger);
		d->ops->on_failed(d->data, &d->reason);
	}
}

static void socket_won(struct attempt_socket *s)
{
	struct dial *d = s->dial;
	int fd = TAKE_FD(s->fd);

	loop_io_close(&s->io);
	close_all(d);
	d->over = true;
	d->ops->on_connected(d->data, fd, &s->address);
}

static void on_connect_done(void *data, unsigned ready)
{
	struct attempt_socket *s = data;
	int sys = 0;
	socklen_t size = sizeof(sys);

	if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &sys, &size) < 0)
		sys = errno;
	if (sys == 0)
		socket_won(s);
	else
		socket_failed(s, sys);
}

/* 0 or errno */
static int socket_start(struct attempt_socket *s)
{
	int family = s->address.sa.ss_family, sys;

	s->fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->fd < 0)
		return errno;
	sys = dial_manner_apply(&s->dial->manner, s->fd, family);
	s->is_unbound = sys != 0;
	if (sys != 0)
		return sys;
	if (connect(s->fd, (struct sockaddr *)&s->address.sa, s->address.length) < 0 &&
	    errno != EINPROGRESS)
		return errno;
	if (loop_io_open(&s->io, s->dial->loop, s->fd, LOOP_WRITE, on_connect_done, s) < 0)
		return ENOMEM;
	return 0;
}

static void start_next(struct dial *d)
{
	struct attempt_socket *s = &d->sockets[d->started++];
	int sys = socket_start(s);

	if (d->started < d->count)
		loop_timer_set(&d->stagger, d->stagger_ms);
	if (sys != 0)
		socket_failed(s, sys);
}

static void on_stagger(void *data)
{
	struct dial *d = data;

	if (!d->over && d->started < d->count)
		start_next(d);
}

static void on_start(void *data)
{
	start_next(data);
}

/* Families take turns, each in the order of getaddrinfo (RFC 6724), the first one's family first.
 */
static void interleave(struct dial *d, const struct address *addresses, size_t count)
{
	int first = addresses[0].sa.ss_family;
	size_t same = 0, other = 0;

	for (size_t n = 0; n < count; n++) {
		bool want_first = n % 2 == 0;

		while (same < count && addresses[same].sa.ss_family != first)
			same++;
		while (other < count && addresses[other].sa.ss_family == first)
			other++;
		if ((want_first && same < count) || other >= count)
			d->sockets[n].address = addresses[same++];
		else
			d->sockets[n].address = addresses[other++];
		d->sockets[n].dial = d;
		d->sockets[n].fd = -1;
	}
	d->count = count;
}

/* The addresses that can be reached in this manner. -1: there are none. */
static int take_addresses(struct dial *d, const struct address *addresses, size_t count,
			  const struct dial_options *options, struct err *err)
{
	struct address copy[RESOLVE_ADDRESSES_MAX];

	count = MIN(count, ARRAY_SIZE(copy));
	memcpy(copy, addresses, count * sizeof(*copy));
	if (dial_manner_init(&d->manner, options, err) < 0)
		return -1;
	count = dial_manner_filter(&d->manner, options ? options->family : FAMILY_ANY, copy, count,
				   d->host, err);
	if (count == 0)
		return -1;
	interleave(d, copy, count);
	d->stagger_ms = STAGGER_MS;
	if (options && options->limit_ms > 0)
		d->stagger_ms = MIN(
			MAX(options->limit_ms / ((unsigned)count + 1), (unsigned)STAGGER_MIN_MS),
			(unsigned)STAGGER_MS);
	return 0;
}

struct dial *dial_new(struct loop *loop, const char *host, const struct address *addresses,
		      size_t count, const struct dial_options *options, const struct dial_ops *ops,
		      void *data, struct err *err)
{
	struct dial *d = calloc(1, sizeof(*d));

	if (!d || loop_timer_open(&d->stagger, loop, on_stagger, d) < 0) {
		free(d);
		err_nomem(err);
		return NULL;
	}
	d->loop = loop;
	d->ops = ops;
	d->data = data;
	snprintf(d->host, sizeof(d->host), "%s", host);
	if (take_addresses(d, addresses, count, options, err) < 0) {
		loop_timer_close(&d->stagger);
		free(d);
		return NULL;
	}
	loop_defer_open(&d->start_defer, loop, on_start, d);
	loop_defer_schedule(&d->start_defer);
	return d;
}

void dial_free(struct dial *d)
{
	if (!d)
		return;
	d->over = true;
	close_all(d);
	loop_timer_close(&d->stagger);
	loop_defer_close(&d->start_defer);
	loop_bury(d->loop, &d->grave, free, d);
}

void dial_describe(const struct dial *d, char *out, size_t size)
{
	size_t current = d->started > 0 ? d->started - 1 : 0;
	char text[80];

	address_format(&d->sockets[current].address, text, sizeof(text));
	if (d->count == 1)
		snprintf(out, size, "%s", text);
	else
		snprintf(out, size, "%s, address %zu of %zu of %s", text, current + 1, d->count,
			 d->host);
}
