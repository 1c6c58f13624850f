/* SPDX-License-Identifier: MIT */
#include "daemon/worker/pump.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/worker/flow.h"
#include "daemon/worker/local_socket.h"
#include "lib/util.h"

struct pump_end {
	struct pump *pump;
	int fd;
	struct loop_io io;
	struct flow out; /* from this socket to the other */
	bool out_ended; /* its end has been passed on */
};

struct pump {
	struct loop *loop;
	const struct pump_ops *ops;
	void *data;
	struct pump_end ends[2];
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

/* Passes on what e has sent, and its end. */
static int push(struct pump_end *e)
{
	int to = other(e)->fd;

	e->out.cleared = e->out.bytes.size;
	if (!e->out.full && flow_write(&e->out, to) < 0)
		return -1;
	if (e->out.eof && flow_is_clear(&e->out) && !e->out_ended) {
		e->out_ended = true;
		shutdown(to, SHUT_WR);
	}
	return 0;
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

static void on_ready(void *data, unsigned ready)
{
	struct pump_end *e = data;
	struct pump *p = e->pump;
	struct pump_end *changed = ready & LOOP_READ ? e : other(e);

	if (ready & LOOP_WRITE)
		changed->out.full = false;
	if ((ready & LOOP_READ && flow_read(&e->out, e->fd, FLOW_SIZE) < 0) || push(changed) < 0) {
		finish(p, true);
		return;
	}
	if (p->ends[0].out_ended && p->ends[1].out_ended) {
		finish(p, false);
		return;
	}
	listen_on(&p->ends[0]);
	listen_on(&p->ends[1]);
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
		      const struct pump_ops *ops, void *data, struct err *err)
{
	struct pump *p = calloc(1, sizeof(*p));

	if (!p)
		return refuse(p, a, b, early, err);
	p->loop = loop;
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
