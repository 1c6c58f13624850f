/* SPDX-License-Identifier: MIT */
/*
 * Two halves, each with a buffer and an end of its own, and one poll(). An end that was read is
 * passed on when everything before it was. O_NONBLOCK is never set on what we were given: the flag
 * belongs to everybody who shares the descriptor and would outlive us. Instead a pipe is opened a
 * second time, a socket is asked not to wait, and anything else gets no more at a time than poll()
 * promises room for.
 */
#include "ctl/duplex.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/util.h"

#define BUFFER_SIZE (64 * 1024)

struct half {
	int from, to; /* borrowed */
	size_t at_once; /* bytes that `to` takes without blocking once poll() says so */
	bool to_socket;
	char *data; /* owned */
	size_t start, end; /* of what was read and not yet written */
	bool ended; /* nothing more comes */
	bool deaf; /* nobody is left who takes it */
};

struct duplex {
	struct half up, down; /* to the peer, from the peer */
	int reopened; /* of standard output, owned; -1: not needed, or not possible */
	bool told_end; /* the peer knows that nothing more comes */
	bool reset; /* its end will be none */
	const char *peer;
};

static bool is_empty(const struct half *h)
{
	return h->start == h->end;
}

static bool is_over(const struct half *h)
{
	return h->deaf || (h->ended && is_empty(h));
}

/* Reads once. -1: errno says why not. */
static int half_fill(struct half *h)
{
	ssize_t n = read(h->from, h->data, BUFFER_SIZE);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	h->ended = n == 0;
	h->start = 0;
	h->end = h->deaf ? 0 : (size_t)n;
	return 0;
}

static void half_give_up(struct half *h)
{
	h->deaf = true;
	h->start = h->end = 0;
}

/* Writes once. -1: errno says why not. */
static int half_drain(struct half *h)
{
	size_t size = MIN(h->end - h->start, h->at_once);
	const char *data = h->data + h->start;
	ssize_t n = h->to_socket ? send(h->to, data, size, MSG_DONTWAIT | MSG_NOSIGNAL)
				 : write(h->to, data, size);

	if (n >= 0)
		h->start += (size_t)n;
	else if (errno == EPIPE || errno == ECONNRESET)
		half_give_up(h);
	else if (errno != EAGAIN && errno != EINTR)
		return -1;
	return 0;
}

/* Finds out how standard output can be written without ever waiting for its reader. */
static void set_output(struct duplex *d, int out)
{
	struct half *h = &d->down;
	char path[64];
	struct stat st;

	h->to = out;
	h->at_once = PIPE_BUF;
	if (fstat(out, &st) < 0)
		return;
	h->to_socket = S_ISSOCK(st.st_mode);
	if (S_ISFIFO(st.st_mode)) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", out);
		d->reopened = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
		if (d->reopened >= 0)
			h->to = d->reopened;
	}
	if (h->to_socket || S_ISREG(st.st_mode) || d->reopened >= 0)
		h->at_once = BUFFER_SIZE;
}

enum { IN, SOCKET, OUT, WATCHED };

/* Standard output is watched even when there is nothing for it: its reader may go away. */
static void watch(const struct duplex *d, struct pollfd p[WATCHED])
{
	const struct half *up = &d->up, *down = &d->down;
	bool fill_up = !up->ended && !up->deaf && is_empty(up);
	bool fill_down = !down->ended && is_empty(down);
	short events = POLLPRI | (fill_down ? POLLIN : 0) | (is_empty(up) ? 0 : POLLOUT);

	p[IN] = (struct pollfd){ fill_up ? up->from : -1, POLLIN, 0 };
	p[SOCKET] = (struct pollfd){ events == POLLPRI ? -1 : down->from, events, 0 };
	p[OUT] = (struct pollfd){ down->deaf ? -1 : down->to, is_empty(down) ? 0 : POLLOUT, 0 };
}

static int read_input(struct duplex *d, const struct pollfd *p, struct failure *f)
{
	if (!p->revents || half_fill(&d->up) == 0)
		return 0;
	return failure_set(f, EXIT_FAILED, ERR_IO, "cannot read standard input: %s",
			   strerror(errno));
}

static int say_reset(const struct duplex *d, struct failure *f)
{
	return failure_set(f, EXIT_FAILED, ERR_LOST, "the connection to %s was reset", d->peer);
}

/* A Unix socket has no RST. The daemon says by a byte out of band, before it closes, that what was
 * on its way is lost; otherwise the kernel says so, when not everything we sent was read. */
static void look_for_reset(struct duplex *d, const struct pollfd *p)
{
	char mark;

	if ((p->revents & POLLPRI) &&
	    recv(d->down.from, &mark, sizeof(mark), MSG_OOB | MSG_DONTWAIT) == 1)
		d->reset = true;
}

static int serve_socket(struct duplex *d, const struct pollfd *p, struct failure *f)
{
	const short broken = POLLERR | POLLHUP;
	int rc = 0;

	look_for_reset(d, p);
	if ((p->revents & (POLLOUT | broken)) && !is_empty(&d->up))
		rc = half_drain(&d->up);
	if (rc == 0 && (p->revents & (POLLIN | broken)) && (p->events & POLLIN))
		rc = half_fill(&d->down);
	if (rc == 0)
		return 0;
	if (errno == ECONNRESET)
		return say_reset(d, f);
	return failure_set(f, EXIT_FAILED, ERR_LOST, "the connection to %s broke: %s", d->peer,
			   strerror(errno));
}

static int write_output(struct duplex *d, const struct pollfd *p, struct failure *f)
{
	if (p->revents & POLLOUT) {
		if (half_drain(&d->down) < 0)
			return failure_set(f, EXIT_FAILED, ERR_IO, "cannot write the output: %s",
					   strerror(errno));
	} else if (p->revents) {
		half_give_up(&d->down);
	}
	return 0;
}

/* The peer has ended, or nobody listens to it and there is nothing left to tell it. */
static bool is_done(const struct duplex *d)
{
	return (d->down.ended && is_empty(&d->down)) || (d->down.deaf && is_over(&d->up));
}

static int carry(struct duplex *d, struct failure *f)
{
	struct pollfd p[WATCHED];

	while (!is_done(d)) {
		watch(d, p);
		if (poll(p, WATCHED, -1) < 0) {
			if (errno == EINTR)
				continue;
			return failure_set(f, EXIT_FAILED, ERR_IO, "poll: %s", strerror(errno));
		}
		if (read_input(d, &p[IN], f) < 0 || serve_socket(d, &p[SOCKET], f) < 0 ||
		    write_output(d, &p[OUT], f) < 0)
			return -1;
		if (d->up.ended && is_empty(&d->up) && !d->told_end) {
			shutdown(d->up.to, SHUT_WR);
			d->told_end = true;
		}
	}
	return d->reset ? say_reset(d, f) : 0;
}

int duplex_run(const struct duplex_ends *ends, const char *received, size_t size, struct failure *f)
{
	struct duplex d = { .reopened = -1, .peer = ends->peer };
	int rc;

	d.up = (struct half){ .from = ends->in, .to = ends->socket };
	d.up.to_socket = true;
	d.up.at_once = BUFFER_SIZE;
	d.down.from = ends->socket;
	set_output(&d, ends->out);
	d.up.data = malloc(BUFFER_SIZE);
	d.down.data = malloc(MAX(BUFFER_SIZE, size));
	if (d.up.data && d.down.data) {
		memcpy(d.down.data, received, size);
		d.down.end = size;
		rc = carry(&d, f);
	} else {
		rc = failure_nomem(f);
	}
	free(d.up.data);
	free(d.down.data);
	closep(&d.reopened);
	return rc;
}
