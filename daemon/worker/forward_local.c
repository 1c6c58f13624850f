/* SPDX-License-Identifier: MIT */
#include "daemon/worker/forward_local.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/common/log.h"
#include "daemon/worker/session.h"
#include "lib/util.h"

#define ACCEPT_BATCH 64 /* connections a turn */
#define OPENING_MAX 256 /* channels the server has not answered for */
#define CHANNELS_MAX 8192 /* of a session; more wait in the backlog */
#define PAUSE_MS 100 /* when descriptors or memory ran out */
#define COMPLAIN_MS 10000 /* how often that is logged */
#define REAP_MS 1000 /* how often opening connections are asked whether somebody is there */

enum forward_mode { FORWARD_HOLDS, FORWARD_SERVES, FORWARD_REFUSES };

struct listener {
	struct forward *forward;
	int fd;
	struct loop_io io;
};

struct forward {
	struct list link; /* tunnel.forwards */
	const struct worker_parts *parts;
	uint64_t id;
	struct config_forward spec;
	unsigned hold_ms;
	const struct forward_ops *ops; /* NULL: retired */
	void *data;

	enum forward_mode mode;
	struct session *session; /* while it serves */
	struct listener *listeners;
	size_t listener_count;
	bool waiting; /* clients are in the backlog, the hold timer runs */
	struct loop_timer hold_timer, pause_timer;
	struct loop_timer reap_timer; /* while connections are opening */
	struct loop_defer reset_more; /* a backlog is reset by turns */
	uint64_t complained_ms; /* when it last logged that it cannot accept; 0: never */

	enum forward_state state; /* as last told */
	struct err bind_error; /* why there are no sockets */
	struct err serve_error; /* of the last connection, until one succeeds */

	struct list relays;
	unsigned opening;
	struct wire_counters counters;
	struct loop_grave grave;
};

/* ---- state ---- */

static enum forward_state current_state(const struct forward *f)
{
	if (f->bind_error.code != ERR_NONE)
		return FORWARD_FAILED;
	if (f->mode == FORWARD_SERVES)
		return f->serve_error.code == ERR_PROHIBITED ? FORWARD_FAILED : FORWARD_OPEN;
	return f->waiting ? FORWARD_WAITING : FORWARD_CLOSED;
}

static void tell(struct forward *f)
{
	f->state = current_state(f);
	if (f->ops)
		f->ops->on_change(f->data, f);
}

static void tell_if_changed(struct forward *f)
{
	if (f->state != current_state(f))
		tell(f);
}

static void set_serve_error(struct forward *f, const struct err *err)
{
	bool same =
		err ? f->serve_error.code == err->code && strcmp(f->serve_error.msg, err->msg) == 0
		    : f->serve_error.code == ERR_NONE;

	if (same)
		return;
	f->serve_error = err ? *err : (struct err){ 0 };
	tell(f);
}

/* ---- listening ---- */

static bool has_room(const struct forward *f)
{
	return f->opening < OPENING_MAX && session_member_count(f->session) < CHANNELS_MAX;
}

/* Holding disarms while somebody waits: the event would fire for as long as they do. */
static void arm(struct forward *f)
{
	bool listen = !loop_timer_is_set(&f->pause_timer);

	if (f->mode == FORWARD_SERVES)
		listen = listen && has_room(f);
	else if (f->mode == FORWARD_HOLDS)
		listen = listen && !f->waiting;
	for (size_t i = 0; i < f->listener_count; i++)
		loop_io_want(&f->listeners[i].io, listen ? LOOP_READ : 0);
}

static void close_sockets(struct forward *f)
{
	for (size_t i = 0; i < f->listener_count; i++) {
		loop_io_close(&f->listeners[i].io);
		close(f->listeners[i].fd);
	}
	free(f->listeners);
	f->listeners = NULL;
	f->listener_count = 0;
}

/* The pause is short, because room comes back any time. */
static void pause_accepting(struct forward *f, int sys)
{
	uint64_t now = loop_now_ms(f->parts->loop);

	if (f->complained_ms == 0 || now - f->complained_ms >= COMPLAIN_MS) {
		f->complained_ms = now;
		log_warning("forward '%s': cannot accept: %s; trying again", f->spec.name,
			    strerror(sys));
	}
	loop_timer_set(&f->pause_timer, PAUSE_MS);
	arm(f);
}

/* -1: nothing there (or no more for now) */
static int accept_one(struct forward *f, int fd, struct sockaddr_storage *from)
{
	socklen_t size = sizeof(*from);
	int client;

	do
		client = accept4(fd, (struct sockaddr *)from, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
	while (client < 0 && (errno == EINTR || errno == ECONNABORTED));
	if (client < 0 && errno != EAGAIN)
		pause_accepting(f, errno);
	return client;
}

static void reset_backlog(struct forward *f)
{
	for (size_t i = 0; i < f->listener_count; i++) {
		struct sockaddr_storage from;
		int client = 0;

		for (int n = 0; n < ACCEPT_BATCH && client >= 0; n++) {
			client = accept_one(f, f->listeners[i].fd, &from);
			if (client >= 0)
				relay_reset_socket(client);
		}
		if (client >= 0)
			loop_defer_schedule(&f->reset_more);
	}
}

static void on_reset_more(void *data)
{
	struct forward *f = data;

	if (f->mode != FORWARD_SERVES)
		reset_backlog(f);
}

static void on_pause_over(void *data)
{
	arm(data);
}

/* ---- connections ---- */

static void on_relay_open(void *data, const struct err *err)
{
	struct forward *f = data;

	f->opening--;
	if (!err || err->code == ERR_TARGET || err->code == ERR_PROHIBITED)
		set_serve_error(f, err);
	arm(f);
}

static void retire_if_done(struct forward *f)
{
	if (!f->ops && list_is_empty(&f->relays))
		forward_free(f);
}

static void on_relay_end(void *data, struct relay *r)
{
	struct forward *f = data;

	list_remove(relay_link(r));
	f->counters.connections--;
	report_want_stats(f->parts->report);
	retire_if_done(f);
}

static const struct relay_ops relay_ops = {
	.on_open = on_relay_open,
	.on_end = on_relay_end,
};

static void originator(const struct sockaddr_storage *from, char *host, size_t size, unsigned *port)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)from;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)from;
	bool is_v6 = from->ss_family == AF_INET6;

	if (!inet_ntop(from->ss_family, is_v6 ? (const void *)&v6->sin6_addr : &v4->sin_addr, host,
		       (socklen_t)size))
		strcpy(host, "127.0.0.1");
	*port = ntohs(is_v6 ? v6->sin6_port : v4->sin_port);
}

static void serve(struct forward *f, int client, const struct sockaddr_storage *from)
{
	struct relay_settings settings = {
		.loop = f->parts->loop,
		.scratch = f->parts->scratch,
		.counters = &f->counters,
		.ops = &relay_ops,
		.data = f,
	};
	char host[INET6_ADDRSTRLEN];
	unsigned port;
	struct relay *r;
	struct err err;
	int one = 1;

	setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	originator(from, host, sizeof(host), &port);
	r = relay_open(&settings, client, f->session, f->spec.target.host, f->spec.target.port,
		       host, port, &err);
	if (!r) {
		log_error("forward '%s': %s", f->spec.name, err.msg);
		relay_reset_socket(client);
		return;
	}
	list_append(&f->relays, relay_link(r));
	f->opening++;
	if (!loop_timer_is_set(&f->reap_timer))
		loop_timer_set(&f->reap_timer, REAP_MS);
	f->counters.connections++;
	f->counters.connections_total++;
	report_want_stats(f->parts->report);
}

/* A target that answers nobody keeps its clients for minutes: those that gave up give back their place. */
static void on_reap(void *data)
{
	struct forward *f = data;
	struct list *link, *next;

	for (link = f->relays.next; link != &f->relays; link = next) {
		struct relay *r = relay_from_link(link);

		next = link->next;
		if (!relay_is_abandoned(r))
			continue;
		list_remove(link);
		relay_end(r, true);
		f->opening--;
		f->counters.connections--;
	}
	if (f->opening > 0)
		loop_timer_set(&f->reap_timer, REAP_MS);
	arm(f);
	retire_if_done(f);
}

static void serve_backlog(struct listener *l)
{
	struct forward *f = l->forward;

	for (int n = 0; n < ACCEPT_BATCH && has_room(f); n++) {
		struct sockaddr_storage from;
		int client = accept_one(f, l->fd, &from);

		if (client < 0)
			break;
		serve(f, client, &from);
	}
	arm(f);
}

/* ---- holding ---- */

static void on_hold_over(void *data)
{
	struct forward *f = data;

	f->waiting = false;
	log_info("forward '%s': no session within %u ms; clients that waited are reset",
		 f->spec.name, f->hold_ms);
	reset_backlog(f);
	arm(f);
	tell_if_changed(f);
}

static void start_holding(struct forward *f)
{
	if (f->hold_ms == 0) {
		reset_backlog(f);
	} else {
		f->waiting = true;
		loop_timer_set(&f->hold_timer, f->hold_ms);
		arm(f);
		tell_if_changed(f);
	}
	f->ops->on_waiting(f->data, f);
}

static void on_arrival(void *data, unsigned ready)
{
	struct listener *l = data;

	if (l->forward->mode == FORWARD_SERVES)
		serve_backlog(l);
	else if (l->forward->mode == FORWARD_HOLDS)
		start_holding(l->forward);
	else
		reset_backlog(l->forward);
}

static void set_mode(struct forward *f, enum forward_mode mode, struct session *s)
{
	f->mode = mode;
	f->session = s;
	f->waiting = false;
	err_clear(&f->serve_error);
	loop_timer_stop(&f->hold_timer);
	arm(f);
	tell_if_changed(f);
}

void forward_serve(struct forward *f, struct session *s)
{
	set_mode(f, FORWARD_SERVES, s);
}

/* Clients that wait already keep their clock. */
void forward_hold(struct forward *f)
{
	if (f->mode != FORWARD_HOLDS)
		set_mode(f, FORWARD_HOLDS, NULL);
}

void forward_refuse(struct forward *f)
{
	set_mode(f, FORWARD_REFUSES, NULL);
}

void forward_end_connections(struct forward *f, bool reset)
{
	struct relay *r;

	while (!list_is_empty(&f->relays)) {
		r = relay_from_link(f->relays.next);
		list_remove(relay_link(r));
		relay_end(r, reset);
		f->counters.connections--;
	}
	f->opening = 0;
	report_want_stats(f->parts->report);
}

/* ---- life ---- */

static int open_timers(struct forward *f, struct loop *loop)
{
	loop_defer_open(&f->reset_more, loop, on_reset_more, f);
	if (loop_timer_open(&f->hold_timer, loop, on_hold_over, f) < 0 ||
	    loop_timer_open(&f->pause_timer, loop, on_pause_over, f) < 0 ||
	    loop_timer_open(&f->reap_timer, loop, on_reap, f) < 0)
		return -1;
	return 0;
}

static void close_timers(struct forward *f)
{
	loop_defer_close(&f->reset_more);
	loop_timer_close(&f->hold_timer);
	loop_timer_close(&f->pause_timer);
	loop_timer_close(&f->reap_timer);
}

struct forward *forward_new(const struct worker_parts *parts, uint64_t id,
			    struct config_forward *spec, unsigned hold_ms,
			    const struct forward_ops *ops, void *data, struct err *err)
{
	struct forward *f = calloc(1, sizeof(*f));

	if (!f || open_timers(f, parts->loop) < 0) {
		if (f)
			close_timers(f);
		free(f);
		config_forward_fini(spec);
		err_nomem(err);
		return NULL;
	}
	f->parts = parts;
	f->id = id;
	f->spec = *spec;
	*spec = (struct config_forward){ 0 };
	f->hold_ms = hold_ms;
	f->ops = ops;
	f->data = data;
	list_init(&f->link);
	list_init(&f->relays);
	return f;
}

void forward_free(struct forward *f)
{
	forward_end_connections(f, false);
	close_sockets(f);
	close_timers(f);
	list_remove(&f->link);
	config_forward_fini(&f->spec);
	loop_bury(f->parts->loop, &f->grave, free, f);
}

void forward_retire(struct forward *f)
{
	f->ops = NULL;
	f->mode = FORWARD_REFUSES;
	f->session = NULL;
	close_sockets(f);
	loop_timer_stop(&f->hold_timer);
	loop_timer_stop(&f->pause_timer);
	retire_if_done(f);
}

int forward_set_sockets(struct forward *f, int *fds, size_t count, const struct err *error)
{
	struct listener *listeners = calloc(count + 1, sizeof(*listeners));

	if (!listeners)
		return -1;
	close_sockets(f);
	f->listeners = listeners;
	for (size_t i = 0; i < count; i++) {
		struct listener *l = &listeners[i];

		l->forward = f;
		l->fd = fds[i];
		if (loop_io_open(&l->io, f->parts->loop, l->fd, 0, on_arrival, l) < 0)
			return -1;
		fds[i] = -1;
		f->listener_count++;
	}
	err_clear(&f->bind_error);
	if (error && error->code != ERR_NONE)
		f->bind_error = *error;
	arm(f);
	tell(f);
	return 0;
}

void forward_set_hold(struct forward *f, unsigned hold_ms)
{
	f->hold_ms = hold_ms;
}

/* ---- looking ---- */

uint64_t forward_id(const struct forward *f)
{
	return f->id;
}

bool forward_is_waiting(const struct forward *f)
{
	if (f->waiting)
		return true;
	for (size_t i = 0; i < f->listener_count; i++) {
		struct pollfd p = { .fd = f->listeners[i].fd, .events = POLLIN };

		if (poll(&p, 1, 0) > 0)
			return true;
	}
	return false;
}

enum forward_state forward_state(const struct forward *f)
{
	return f->state;
}

const struct err *forward_error(const struct forward *f)
{
	return f->bind_error.code != ERR_NONE ? &f->bind_error : &f->serve_error;
}

const struct wire_counters *forward_counters(const struct forward *f)
{
	return &f->counters;
}

struct list *forward_link(struct forward *f)
{
	return &f->link;
}

struct forward *forward_from_link(struct list *link)
{
	return list_entry(link, struct forward, link);
}
