/* SPDX-License-Identifier: MIT */
/*
 * A client's connection: its phases, its deadline and its end. An answer must not be lost to the
 * reset that close(2) sends while bytes of the client wait unread, so the last one is followed by a
 * FIN, and what still comes is thrown away until the client has closed, for a short while.
 */
#include "daemon/worker/proxy.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/worker/local_socket.h"
#include "daemon/worker/proxy_parts.h"
#include "lib/allow.h"
#include "lib/util.h"

#define FIRST_READ 2048 /* bytes; more is read only of HTTP */
#define DRAIN_MAX (1024 * 1024)

/* ---- the end ---- */

static void destroy(void *data)
{
	struct proxy *p = data;

	flow_fini(&p->up);
	flow_fini(&p->down);
	free(p);
}

/* Nothing of p is on the loop afterwards but its grave; the client's socket is the caller's. */
static void leave_loop(struct proxy *p)
{
	p->phase = PROXY_OVER;
	loop_io_close(&p->io);
	loop_timer_close(&p->limit);
	loop_defer_close(&p->first);
	loop_bury(p->set.loop, &p->grave, destroy, p);
}

static void close_client(struct proxy *p, bool reset)
{
	if (reset)
		local_socket_reset(p->fd);
	else
		close(p->fd);
	p->fd = -1;
}

void proxy_free(struct proxy *p, bool reset)
{
	if (!p || p->phase == PROXY_OVER)
		return;
	proxy_exchange_close(p, reset);
	leave_loop(p);
	close_client(p, reset);
}

void proxy_finish(struct proxy *p, bool reset, const struct err *err)
{
	if (p->phase == PROXY_OVER)
		return;
	proxy_free(p, reset);
	p->ops->on_end(p->data, err);
}

static void finish_parting(struct proxy *p)
{
	proxy_finish(p, false, p->why.code == ERR_NONE ? NULL : &p->why);
}

/* The answer goes out, its end follows, and the client's end is waited for. */
static void step_parting(struct proxy *p)
{
	if (!p->down.full && flow_write(&p->down, p->fd) < 0) {
		finish_parting(p);
		return;
	}
	if (!flow_is_clear(&p->down)) {
		proxy_want(p, LOOP_WRITE);
		return;
	}
	shutdown(p->fd, SHUT_WR);
	if (p->up.eof)
		finish_parting(p);
	else
		proxy_want(p, LOOP_READ);
}

void proxy_part(struct proxy *p)
{
	p->phase = PROXY_PARTING;
	flow_drop(&p->up);
	buffer_fini(&p->up.bytes);
	loop_timer_set(&p->limit, PROXY_PARTING_MS);
	step_parting(p);
}

static void drain(struct proxy *p)
{
	char bytes[16 * 1024];
	ssize_t n = recv(p->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	p->drained += n > 0 ? (size_t)n : 0;
	if (n <= 0 || p->drained > DRAIN_MAX)
		finish_parting(p);
}

static void on_ready_parting(struct proxy *p, unsigned ready)
{
	if (ready & LOOP_WRITE) {
		p->down.full = false;
		step_parting(p);
	} else {
		drain(p);
	}
}

/* ---- no ---- */

static void answer_no(struct proxy *p, const struct err *err)
{
	if (p->language)
		p->language->refuse(p, err);
	proxy_part(p);
}

void proxy_reject(struct proxy *p, const struct err *err)
{
	p->why = *err;
	answer_no(p, err);
}

void proxy_refuse(struct proxy *p, const struct err *err)
{
	p->request.status = 0;
	answer_no(p, err);
}

static void on_limit(void *data)
{
	struct proxy *p = data;
	struct err err;

	if (p->phase == PROXY_PARTING) {
		finish_parting(p);
		return;
	}
	if (p->between) {
		proxy_finish(p, false, NULL);
		return;
	}
	err_set(&err, ERR_TIMEOUT,
		p->language ? "the client did not finish its request within %d s"
			    : "the client connected and said nothing for %d s",
		PROXY_HANDSHAKE_MS / 1000);
	p->request.status = 408;
	proxy_reject(p, &err);
}

/* ---- a request ---- */

void proxy_ask(struct proxy *p, bool is_stream)
{
	struct proxy_request *r = &p->request;

	if (p->set.allow && !allow_matches(p->set.allow, r->host, r->port)) {
		char where[ENDPOINT_TEXT_MAX];
		struct err err;

		err_set(&err, ERR_NOT_ALLOWED, "%s is not among the destinations in 'allow'",
			endpoint_format(where, r->host, r->port));
		proxy_reject(p, &err);
		return;
	}
	p->phase = PROXY_ASKING;
	loop_timer_stop(&p->limit);
	p->ops->on_request(p->data, r->host, r->port, is_stream);
}

static void skip_line_ends(struct proxy *p)
{
	const char *bytes = buffer_bytes(&p->up.bytes);
	size_t n = 0;

	while (n < p->up.bytes.size && (bytes[n] == '\r' || bytes[n] == '\n'))
		n++;
	buffer_drop(&p->up.bytes, n);
}

/* The bytes that have come are a request, a part of one, or none. */
static void read_request(struct proxy *p)
{
	if (p->up.bytes.size == 0)
		return;
	if (p->between) {
		skip_line_ends(p); /* RFC 9112 section 2.2 */
		if (p->up.bytes.size == 0)
			return;
		p->between = false;
		loop_timer_set(&p->limit, PROXY_HANDSHAKE_MS);
	}
	if (!p->language) {
		char first = *buffer_bytes(&p->up.bytes);

		p->language = first == 4 || first == 5 ? &proxy_socks : &proxy_http;
	}
	p->language->on_bytes(p);
}

static void give_up_listening(struct proxy *p, bool reset)
{
	struct err err;

	if (p->between || !p->language) {
		proxy_finish(p, reset, NULL);
		return;
	}
	err_set(&err, ERR_LOST, "the client left in the middle of its request");
	proxy_finish(p, reset, &err);
}

static void listen_on(struct proxy *p)
{
	if (p->phase != PROXY_LISTENING)
		return;
	if (p->up.eof)
		give_up_listening(p, false);
	else
		proxy_want(p, LOOP_READ);
}

static void on_ready_listening(struct proxy *p)
{
	size_t limit = p->up.bytes.size < FIRST_READ ? FIRST_READ : FLOW_SIZE;

	if (flow_read(&p->up, p->fd, limit) < 0) {
		give_up_listening(p, true);
		return;
	}
	read_request(p);
	listen_on(p);
}

void proxy_listen_again(struct proxy *p)
{
	p->phase = PROXY_LISTENING;
	p->between = true;
	p->request = (struct proxy_request){ 0 };
	loop_timer_set(&p->limit, PROXY_IDLE_MS);
	read_request(p);
	listen_on(p);
}

/* ---- the loop ---- */

void proxy_want(struct proxy *p, unsigned interest)
{
	loop_io_want(&p->io, interest);
}

static void on_ready(void *data, unsigned ready)
{
	struct proxy *p = data;

	switch (p->phase) {
	case PROXY_LISTENING:
		on_ready_listening(p);
		break;
	case PROXY_ASKING:
		proxy_want(p, 0); /* read after the answer; rare, so unasked for until it happens */
		break;
	case PROXY_EXCHANGING:
		if (ready & LOOP_WRITE)
			p->down.full = false;
		if (ready & LOOP_READ && flow_read(&p->up, p->fd, FLOW_SIZE) < 0)
			proxy_finish(p, true, NULL);
		else
			proxy_exchange_step(p);
		break;
	case PROXY_PARTING:
		on_ready_parting(p, ready);
		break;
	case PROXY_OVER:
		break;
	}
}

/* Most clients have spoken by the end of the turn in which they were accepted. */
static void on_first(void *data)
{
	on_ready(data, LOOP_READ);
}

struct proxy *proxy_new(const struct proxy_settings *settings, int fd, const struct proxy_ops *ops,
			void *data, struct err *err)
{
	struct proxy *p = calloc(1, sizeof(*p));

	if (!p)
		goto no_memory;
	p->set = *settings;
	p->ops = ops;
	p->data = data;
	p->fd = fd;
	p->exchange.fd = -1;
	socks_init(&p->socks, &(struct login){ settings->user, settings->password });
	if (loop_io_open(&p->io, settings->loop, fd, 0, on_ready, p) < 0)
		goto no_memory;
	if (loop_timer_open(&p->limit, settings->loop, on_limit, p) < 0) {
		loop_io_close(&p->io);
		goto no_memory;
	}
	loop_timer_set(&p->limit, PROXY_HANDSHAKE_MS);
	loop_defer_open(&p->first, settings->loop, on_first, p);
	loop_defer_schedule(&p->first);
	return p;

no_memory:
	free(p);
	err_nomem(err);
	return NULL;
}

/* ---- yes ---- */

int proxy_release(struct proxy *p, char **ret_early, size_t *ret_early_size)
{
	int fd = p->fd;

	p->language->grant(p);
	if (flow_write(&p->down, fd) < 0 || !flow_is_clear(&p->down)) {
		proxy_free(p, true);
		return -1;
	}
	*ret_early = buffer_take(&p->up.bytes, ret_early_size);
	p->fd = -1;
	leave_loop(p);
	return fd;
}

void proxy_attach(struct proxy *p, int fd)
{
	struct err err;

	p->phase = PROXY_EXCHANGING;
	if (proxy_exchange_start(p, fd) == 0)
		return;
	close(fd);
	err_nomem(&err);
	p->request.status = 503;
	proxy_reject(p, &err);
}

void proxy_cut(struct proxy *p)
{
	p->exchange.is_cut = true;
}

bool proxy_is_abandoned(const struct proxy *p)
{
	return p->phase != PROXY_OVER && local_socket_is_abandoned(p->fd);
}
