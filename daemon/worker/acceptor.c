/* SPDX-License-Identifier: MIT */
#include "daemon/worker/acceptor.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/common/log.h"
#include "daemon/worker/local_socket.h"
#include "lib/util.h"

#define ACCEPT_BATCH 64 /* connections a turn */
#define PAUSE_MS 100 /* when descriptors or memory ran out, or a forward is full */
#define COMPLAIN_MS 10000 /* how often that is logged */

struct listener {
	struct acceptor *owner;
	int fd;
	unsigned port_offset;
	struct loop_io io;
};

/* ---- listening ---- */

/* Holding disarms while somebody waits: the event would fire for as long as they do. */
void acceptor_rearm(struct acceptor *a)
{
	bool listen = a->count == a->expected && !a->paused;

	if (a->mode == ACCEPTOR_SERVES && !a->ops->has_room(a->data)) {
		/* Room may also come from forwards that share the session, and they do not tell. */
		listen = false;
		if (!loop_timer_is_set(&a->pause_timer))
			loop_timer_set(&a->pause_timer, PAUSE_MS);
	} else if (a->mode == ACCEPTOR_HOLDS)
		listen = listen && !a->holding;
	for (size_t i = 0; i < a->count; i++)
		loop_io_want(&a->listeners[i].io, listen ? LOOP_READ : 0);
}

/* The pause is short, because room comes back any time. */
static void pause_accepting(struct acceptor *a, int sys)
{
	uint64_t now = loop_now_ms(a->parts->loop);

	if (a->complained_ms == 0 || now - a->complained_ms >= COMPLAIN_MS) {
		a->complained_ms = now;
		log_warning(
			"forward '%s': cannot accept: %s; trying again%s", a->name, strerror(sys),
			sys == EMFILE ? "; raise LimitNOFILE= of the service, or ulimit -n" : "");
	}
	a->paused = true;
	loop_timer_set(&a->pause_timer, PAUSE_MS);
	acceptor_rearm(a);
}

static int accept_fd(int fd, struct sockaddr_storage *from)
{
	socklen_t size = sizeof(*from);
	int client;

	*from = (struct sockaddr_storage){ 0 };
	do
		client = accept4(fd, (struct sockaddr *)from, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
	while (client < 0 && (errno == EINTR || errno == ECONNABORTED));
	return client;
}

/* Nobody waits for longer than `hold`, whatever for: without descriptors, the one kept in reserve
 * takes the first in the queue and tells him. */
static bool reset_one_with_spare(struct acceptor *a, int fd)
{
	struct sockaddr_storage from;
	int client;

	closep(a->parts->spare_fd);
	client = accept_fd(fd, &from);
	if (client >= 0)
		local_socket_reset(client);
	*a->parts->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return client >= 0;
}

static bool is_short(int sys)
{
	return sys == EMFILE || sys == ENFILE;
}

static void run_short(struct acceptor *a, int fd)
{
	uint64_t now = loop_now_ms(a->parts->loop);

	if (a->short_since_ms == 0)
		a->short_since_ms = now;
	else if (now - a->short_since_ms >= a->hold_ms)
		reset_one_with_spare(a, fd);
}

/* -1: nothing there (or no more for now) */
static int accept_one(struct acceptor *a, int fd, struct sockaddr_storage *from)
{
	int client = accept_fd(fd, from), sys = errno;

	if (client >= 0) {
		a->short_since_ms = 0;
	} else if (sys != EAGAIN) {
		if (is_short(sys))
			run_short(a, fd);
		pause_accepting(a, sys);
	}
	return client;
}

/* Who is only taken to be reset needs a descriptor for a moment: the spare one will do. False: nothing
 * there (or no more for now). */
static bool reset_one(struct acceptor *a, int fd)
{
	struct sockaddr_storage from;
	int client = accept_fd(fd, &from), sys = errno;

	if (client >= 0) {
		local_socket_reset(client);
		return true;
	}
	if (is_short(sys) && reset_one_with_spare(a, fd))
		return true;
	if (sys != EAGAIN)
		pause_accepting(a, sys);
	return false;
}

static void reset_backlog(struct acceptor *a)
{
	for (size_t i = 0; i < a->count; i++) {
		int n = 0;

		while (n < ACCEPT_BATCH && reset_one(a, a->listeners[i].fd))
			n++;
		if (n == ACCEPT_BATCH)
			loop_defer_schedule(&a->reset_more);
	}
}

static void on_reset_more(void *data)
{
	struct acceptor *a = data;

	if (a->mode != ACCEPTOR_SERVES)
		reset_backlog(a);
}

static void on_pause_over(void *data)
{
	struct acceptor *a = data;

	a->paused = false;
	acceptor_rearm(a);
}

static void serve_backlog(struct listener *l)
{
	struct acceptor *a = l->owner;

	for (int n = 0; n < ACCEPT_BATCH && a->ops->has_room(a->data); n++) {
		struct sockaddr_storage from;
		int client = accept_one(a, l->fd, &from);

		if (client < 0)
			break;
		a->ops->on_client(a->data, client, &from, l->port_offset);
	}
	acceptor_rearm(a);
}

/* ---- holding ---- */

static void on_hold_over(void *data)
{
	struct acceptor *a = data;

	a->holding = false;
	log_info("forward '%s': no session within %u ms; clients that waited are reset", a->name,
		 a->hold_ms);
	reset_backlog(a);
	acceptor_rearm(a);
	a->ops->on_change(a->data);
}

static void start_holding(struct acceptor *a)
{
	if (a->hold_ms == 0) {
		reset_backlog(a);
	} else {
		a->holding = true;
		loop_timer_set(&a->hold_timer, a->hold_ms);
		acceptor_rearm(a);
		a->ops->on_change(a->data);
	}
	a->ops->on_waiting(a->data);
}

static void on_arrival(void *data, unsigned ready)
{
	struct listener *l = data;

	if (l->owner->mode == ACCEPTOR_SERVES)
		serve_backlog(l);
	else if (l->owner->mode == ACCEPTOR_HOLDS)
		start_holding(l->owner);
	else
		reset_backlog(l->owner);
}

void acceptor_set_mode(struct acceptor *a, enum acceptor_mode mode)
{
	if (mode == ACCEPTOR_HOLDS && a->mode == ACCEPTOR_HOLDS)
		return;
	a->mode = mode;
	a->holding = false;
	loop_timer_stop(&a->hold_timer);
	acceptor_rearm(a);
	a->ops->on_change(a->data);
}

/* ---- sockets ---- */

void acceptor_close_sockets(struct acceptor *a)
{
	for (size_t i = 0; i < a->count; i++) {
		loop_io_close(&a->listeners[i].io);
		close(a->listeners[i].fd);
	}
	free(a->listeners);
	a->listeners = NULL;
	a->count = a->expected = 0;
}

int acceptor_replace_sockets(struct acceptor *a, size_t expected)
{
	struct listener *listeners = calloc(expected + 1, sizeof(*listeners));

	if (!listeners)
		return -1;
	acceptor_close_sockets(a);
	a->listeners = listeners;
	a->expected = expected;
	return 0;
}

/* Where in a range a socket stands is told by the port it is bound to. */
static unsigned port_offset(const struct acceptor *a, int fd)
{
	struct sockaddr_in6 address = { 0 };
	socklen_t size = sizeof(address);

	/* IPv4 and IPv6 have the port in the same place. */
	if (a->first_port == 0 || getsockname(fd, (struct sockaddr *)&address, &size) < 0)
		return 0;
	return ntohs(address.sin6_port) - a->first_port;
}

int acceptor_add_sockets(struct acceptor *a, int *fds, size_t count)
{
	for (size_t i = 0; i < count && a->count < a->expected; i++) {
		struct listener *l = &a->listeners[a->count];

		*l = (struct listener){ .owner = a, .fd = fds[i] };
		if (loop_io_open(&l->io, a->parts->loop, l->fd, 0, on_arrival, l) < 0)
			return -1;
		l->port_offset = port_offset(a, l->fd);
		local_socket_tune(l->fd);
		fds[i] = -1;
		a->count++;
	}
	acceptor_rearm(a);
	return 0;
}

/* ---- life ---- */

int acceptor_init(struct acceptor *a, const struct worker_parts *parts, const char *name,
		  unsigned first_port, unsigned hold_ms, const struct acceptor_ops *ops, void *data,
		  struct err *err)
{
	*a = (struct acceptor){ .parts = parts,
				.name = name,
				.first_port = first_port,
				.hold_ms = hold_ms,
				.ops = ops,
				.data = data };
	loop_defer_open(&a->reset_more, parts->loop, on_reset_more, a);
	if (loop_timer_open(&a->hold_timer, parts->loop, on_hold_over, a) < 0 ||
	    loop_timer_open(&a->pause_timer, parts->loop, on_pause_over, a) < 0) {
		acceptor_fini(a);
		return err_nomem(err);
	}
	return 0;
}

void acceptor_fini(struct acceptor *a)
{
	acceptor_close_sockets(a);
	loop_defer_close(&a->reset_more);
	loop_timer_close(&a->hold_timer);
	loop_timer_close(&a->pause_timer);
}

/* ---- looking ---- */

bool acceptor_is_holding(const struct acceptor *a)
{
	return a->holding;
}

bool acceptor_has_waiting(const struct acceptor *a)
{
	if (a->holding)
		return true;
	for (size_t i = 0; i < a->count; i++) {
		struct pollfd p = { .fd = a->listeners[i].fd, .events = POLLIN };

		if (poll(&p, 1, 0) > 0)
			return true;
	}
	return false;
}
