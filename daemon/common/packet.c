/* SPDX-License-Identifier: MIT */
#include "daemon/common/packet.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/secret.h"
#include "lib/str.h"
#include "lib/util.h"

#define PAUSE_MS 10
#define RECEIVE_BATCH 64 /* packets per turn, for fairness */

struct packet {
	struct list link; /* packet_port.queue */
	size_t size;
	size_t fd_count;
	int fds[PACKET_FDS_MAX]; /* duplicates, ours */
	char bytes[];
};

struct packet_port {
	struct loop *loop;
	int fd;
	struct loop_io io;
	const struct packet_ops *ops;
	void *data;
	struct list queue; /* struct packet */
	struct loop_timer pause; /* the kernel had no room */
	bool is_deaf; /* the peer reads no more */
	size_t queued_bytes;
	char *buffer; /* PACKET_SIZE_MAX, for receiving */
	struct loop_defer broken_defer; /* tells on_close from the loop */
	struct err broken;
	bool closed; /* on_close was or will be called, or the port was freed */
	struct loop_grave grave;
};

union control {
	struct cmsghdr header;
	char space[CMSG_SPACE(sizeof(int) * PACKET_FDS_MAX)];
};

static void packet_free(struct packet *p)
{
	for (size_t i = 0; i < p->fd_count; i++)
		close(p->fds[i]);
	explicit_bzero(p->bytes, p->size); /* it may have held a passphrase */
	free(p);
}

static void drop_queue(struct packet_port *port)
{
	struct packet *p;

	while ((p = list_first(&port->queue, struct packet, link))) {
		list_remove(&p->link);
		packet_free(p);
	}
	port->queued_bytes = 0;
}

/* Ends the line; the owner hears of it at the end of the turn. */
static void port_break(struct packet_port *port, const struct err *err)
{
	if (port->closed)
		return;
	port->closed = true;
	port->broken = *err;
	loop_io_close(&port->io);
	loop_timer_stop(&port->pause);
	drop_queue(port);
	loop_defer_schedule(&port->broken_defer);
}

static void on_broken(void *data)
{
	struct packet_port *port = data;

	port->ops->on_close(port->data, &port->broken);
}

enum sent {
	SENT,
	SENT_LATER, /* the peer has to read first */
	SENT_EXHAUSTED, /* the kernel lacks memory or counts too many descriptors in flight */
	SENT_NEVER, /* errno says why */
};

static enum sent send_packet(struct packet_port *port, const struct packet *p)
{
	union control control = { 0 };
	struct iovec iov = { (void *)p->bytes, p->size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (p->fd_count > 0) {
		struct cmsghdr *c;

		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * p->fd_count);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * p->fd_count);
		memcpy(CMSG_DATA(c), p->fds, sizeof(int) * p->fd_count);
	}
	while (sendmsg(port->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
		if (errno == EINTR)
			continue;
		if (errno == ENOBUFS || errno == ETOOMANYREFS)
			return SENT_EXHAUSTED;
		return errno == EAGAIN ? SENT_LATER : SENT_NEVER;
	}
	return SENT;
}

static void flush_queue(struct packet_port *port)
{
	enum sent sent = SENT;
	struct packet *p;
	struct err err;

	while (sent == SENT && (p = list_first(&port->queue, struct packet, link))) {
		sent = send_packet(port, p);
		if (sent != SENT)
			break;
		list_remove(&p->link);
		port->queued_bytes -= p->size;
		packet_free(p);
	}
	if (sent == SENT_NEVER && errno == EPIPE) {
		/* The peer is gone; what it said last is read before that is told. */
		port->is_deaf = true;
		drop_queue(port);
	} else if (sent == SENT_NEVER) {
		err_set_errno(&err, ERR_LOST, errno, "cannot send");
		port_break(port, &err);
		return;
	} else if (sent == SENT_EXHAUSTED) {
		loop_timer_set(&port->pause, PAUSE_MS); /* the socket would say "writable" */
	}
	loop_io_want(&port->io, LOOP_READ | (sent == SENT_LATER ? LOOP_WRITE : 0));
}

static void on_pause_over(void *data)
{
	flush_queue(data);
}

static size_t take_fds(struct msghdr *msg, int fds[PACKET_FDS_MAX])
{
	size_t count = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(fds, CMSG_DATA(c), count * sizeof(int));
	}
	return count;
}

/* Hands one packet to the owner. */
static int dispatch(struct packet_port *port, size_t size, int *fds, size_t fd_count,
		    struct err *err)
{
	json_error_t where;
	json_t *message = json_loadb(port->buffer, size, JSON_REJECT_DUPLICATES, &where);
	const char *type = json_string_value(json_object_get(message, "type"));
	char shown[160];

	if (!type) {
		/* jansson quotes what it could not read */
		str_escape(shown, sizeof(shown), where.text, strlen(where.text));
		err_set(err, ERR_PROTOCOL, "not a message: %s", message ? "no type" : shown);
		json_decref(message);
		return -1;
	}
	explicit_bzero(port->buffer, size);
	port->ops->on_message(port->data, type, message, fds, fd_count);
	json_decref(message);
	return 0;
}

/* 1: one handled, 0: nothing there, -1: broken */
static int receive_packet(struct packet_port *port, struct err *err)
{
	union control control;
	struct iovec iov = { port->buffer, PACKET_SIZE_MAX };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	int fds[PACKET_FDS_MAX];
	size_t fd_count;
	ssize_t n = recvmsg(port->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	int rc = -1;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n < 0)
		return err_set_errno(err, ERR_LOST, errno, "cannot receive");
	fd_count = take_fds(&msg, fds);
	if (n == 0)
		err_set(err, ERR_LOST, "the other side closed the line");
	else if (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
		err_set(err, ERR_PROTOCOL, "a message over %d KiB", PACKET_SIZE_MAX / 1024);
	else
		rc = dispatch(port, (size_t)n, fds, fd_count, err) < 0 ? -1 : 1;
	for (size_t i = 0; i < fd_count; i++)
		closep(&fds[i]);
	return rc;
}

static void on_ready(void *data, unsigned ready)
{
	struct packet_port *port = data;
	struct err err;
	int rc = 1;

	if (ready & LOOP_WRITE) {
		flush_queue(port);
		return;
	}
	for (int i = 0; i < RECEIVE_BATCH && rc > 0 && !port->closed; i++)
		rc = receive_packet(port, &err);
	if (rc < 0)
		port_break(port, &err);
}

static void port_destroy(void *data)
{
	struct packet_port *port = data;

	drop_queue(port);
	loop_io_close(&port->io);
	loop_timer_close(&port->pause);
	closep(&port->fd);
	free(port->buffer);
	free(port);
}

struct packet_port *packet_port_new(struct loop *loop, int fd, const struct packet_ops *ops,
				    void *data, struct err *err)
{
	struct packet_port *port = calloc(1, sizeof(*port));

	if (!port) {
		err_nomem(err);
		return NULL;
	}
	*port = (struct packet_port){ .loop = loop, .fd = -1, .ops = ops, .data = data };
	list_init(&port->queue);
	loop_defer_open(&port->broken_defer, loop, on_broken, port);
	port->buffer = malloc(PACKET_SIZE_MAX);
	if (!port->buffer || loop_timer_open(&port->pause, loop, on_pause_over, port) < 0 ||
	    loop_io_open(&port->io, loop, fd, LOOP_READ, on_ready, port) < 0) {
		port_destroy(port);
		err_nomem(err);
		return NULL;
	}
	port->fd = fd;
	return port;
}

void packet_port_free(struct packet_port *port)
{
	if (!port)
		return;
	port->closed = true;
	loop_defer_close(&port->broken_defer);
	loop_timer_close(&port->pause);
	loop_io_close(&port->io);
	closep(&port->fd);
	loop_bury(port->loop, &port->grave, port_destroy, port);
}

static struct packet *packet_new(const char *bytes, size_t size, const int *fds, size_t fd_count)
{
	struct packet *p = calloc(1, sizeof(*p) + size);

	if (!p)
		return NULL;
	memcpy(p->bytes, bytes, size);
	p->size = size;
	for (size_t i = 0; i < fd_count; i++) {
		int fd = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);

		if (fd < 0) {
			packet_free(p);
			return NULL;
		}
		p->fds[p->fd_count++] = fd;
	}
	return p;
}

int packet_send(struct packet_port *port, json_t *message, const int *fds, size_t fd_count)
{
	CLEANUP(secret_freep) char *bytes = message ? json_dumps(message, JSON_COMPACT) : NULL;
	size_t size = bytes ? strlen(bytes) : 0;
	struct packet *p;

	json_decref(message);
	if (!bytes || port->closed || port->is_deaf || size > PACKET_SIZE_MAX ||
	    fd_count > PACKET_FDS_MAX || port->queued_bytes + size > PACKET_QUEUE_MAX)
		return -1;
	p = packet_new(bytes, size, fds, fd_count);
	if (!p)
		return -1;
	list_append(&port->queue, &p->link);
	port->queued_bytes += size;
	if (!(port->io.interest & LOOP_WRITE) && !loop_timer_is_set(&port->pause))
		flush_queue(port);
	return 0;
}
