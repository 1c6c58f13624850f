/* SPDX-License-Identifier: MIT */
#include "daemon/worker/pump.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/worker/flow.h"
#include "daemon/worker/local_socket.h"
#include "daemon/worker/relay.h"
#include "lib/util.h"

struct pump_end {
	struct pump *pump;
	int fd;
	struct loop_io io;
	struct flow out; /* from this socket to the other */
	bool out_ended; /* its end has been passed on */
	bool deaf; /* it takes nothing any more: what comes for it is dropped */
};

struct pump {
	struct loop *loop;
	const struct pump_ops *ops;
	void *data;
	struct pump_end ends[2];
	uint64_t *active_ms;
	bool over;
	struct loop_grave grave;
};

static struct pump_end *other(struct pump_end *e)
{
	return e == &e->pump->ends[0] ? &e->pump->ends[1] : &e->pump->ends[0];
}

static void destroy(void *data)
{
	struct pump *p = data;

	for (int i = 0; i < 2; i++)
		flow_fini(&p->ends[i].out);
	free(p);
}

static void close_end(struct pump_end *e, bool reset)
{
	loop_io_close(&e->io);
	if (reset)
		local_socket_reset(e->fd);
	else
		close(e->fd);
}

void pump_free(struct pump *p, bool reset)
{
	if (!p || p->over)
		return;
	p->over = true;
	for (int i = 0; i < 2; i++)
		close_end(&p->ends[i], reset);
	loop_bury(p->loop, &p->grave, destroy, p);
}

static void finish(struct pump *p, bool reset)
{
	pump_free(p, reset);
	p->ops->on_end(p->data, reset);
}

/* Clients may send their last words and leave at once, and servers say no to what they do not read. */
static bool has_said_something(const struct pump_end *e)
{
	return e->out_ended || e->out.bytes.size > 0 || local_socket_has_unread(e->fd);
}

/* Passes on what e has sent, and its end. */
static int push(struct pump_end *e)
{
	struct pump_end *to = other(e);

	e->out.cleared = e->out.bytes.size;
	if (!to->deaf && !e->out.full && flow_write(&e->out, to->fd) < 0) {
		if (!has_said_something(to))
			return -1;
		to->deaf = true;
	}
	if (to->deaf)
		flow_drop(&e->out);
	if (e->out.eof && flow_is_clear(&e->out) && !e->out_ended) {
		e->out_ended = true;
		shutdown(to->fd, SHUT_WR);
	}
	return 0;
}

static int take(struct pump_end *e)
{
	if (flow_read(&e->out, e->fd, FLOW_SIZE) == 0)
		return 0;
	if (!e->deaf || errno != ECONNRESET)
		return -1;
	e->out.eof = true; /* who takes nothing does not say good-bye either */
	return 0;
}

static bool is_done(const struct pump *p)
{
	const struct pump_end *a = &p->ends[0], *b = &p->ends[1];

	return (a->out_ended && (a->deaf || b->out_ended)) || (b->out_ended && b->deaf);
}

/* A socket is read when all that came from it before has gone on. */
static void listen_on(struct pump_end *e)
{
	unsigned interest = 0;

	if (!e->out.eof && !e->out.full)
		interest |= LOOP_READ;
	if (other(e)->out.full)
		interest |= LOOP_WRITE;
	loop_io_want(&e->io, interest);
}

static void settle(struct pump *p)
{
	if (is_done(p)) {
		finish(p, false);
		return;
	}
	listen_on(&p->ends[0]);
	listen_on(&p->ends[1]);
}

static void on_ready(void *data, unsigned ready)
{
	struct pump_end *e = data;
	struct pump *p = e->pump;
	struct pump_end *changed = ready & LOOP_READ ? e : other(e);

	*p->active_ms = loop_now_ms(p->loop);
	if (ready & LOOP_WRITE)
		changed->out.full = false;
	if ((ready & LOOP_READ && take(e) < 0) || push(changed) < 0)
		finish(p, true);
	else
		settle(p);
}

void pump_leave(struct pump *p)
{
	*p->active_ms = loop_now_ms(p->loop);
	p->ends[0].deaf = true;
	flow_drop(&p->ends[1].out);
	settle(p);
}

bool pump_is_stuck(const struct pump *p)
{
	return (p->ends[0].deaf || p->ends[1].deaf) &&
	       loop_now_ms(p->loop) - *p->active_ms >= RELAY_STUCK_MS;
}

static int open_end(struct pump *p, int i, int fd)
{
	struct pump_end *e = &p->ends[i];

	e->pump = p;
	e->fd = fd;
	return loop_io_open(&e->io, p->loop, fd, 0, on_ready, e);
}

static struct pump *refuse(struct pump *p, int a, int b, char *early, struct err *err)
{
	if (p)
		loop_io_close(&p->ends[0].io);
	free(p);
	free(early);
	close(a);
	close(b);
	err_nomem(err);
	return NULL;
}

struct pump *pump_new(struct loop *loop, int a, int b, char *early, size_t early_size,
		      uint64_t *active_ms, const struct pump_ops *ops, void *data, struct err *err)
{
	struct pump *p = calloc(1, sizeof(*p));

	if (!p)
		return refuse(p, a, b, early, err);
	p->loop = loop;
	p->active_ms = active_ms;
	p->ops = ops;
	p->data = data;
	if (open_end(p, 0, a) < 0 || open_end(p, 1, b) < 0)
		return refuse(p, a, b, early, err);
	p->ends[0].out.bytes =
		(struct buffer){ .data = early, .size = early_size, .capacity = early_size };
	/* A broken socket shows again when it is waited for: nobody is told before this returns. */
	if (push(&p->ends[0]) < 0)
		p->ends[0].out.full = true;
	listen_on(&p->ends[0]);
	listen_on(&p->ends[1]);
	return p;
}
