/* SPDX-License-Identifier: MIT */
#include "daemon/worker/proxy_handshake.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/util.h"

#define LOOK_MAX 4096 /* bytes a turn */

int proxy_blame(const struct proxy_url *url, struct err *err)
{
	char where[ENDPOINT_TEXT_MAX];

	return err_prefix(err, "proxy %s", endpoint_format(where, url->host, url->port));
}

void proxy_handshake_stop(struct proxy_handshake *h)
{
	if (!h->loop)
		return;
	h->loop = NULL;
	loop_io_close(&h->io);
	closep(&h->fd);
	proxy_client_fini(&h->client);
}

static void fail(struct proxy_handshake *h, struct err *err)
{
	proxy_blame(h->client.url, err);
	proxy_handshake_stop(h);
	h->ops->on_failed(h->data, err);
}

static void done(struct proxy_handshake *h)
{
	int fd = TAKE_FD(h->fd);

	proxy_handshake_stop(h);
	h->ops->on_done(h->data, fd);
}

/* ---- speaking ---- */

static void on_writable(struct proxy_handshake *h)
{
	const struct strbuf *out = &h->client.out;
	ssize_t n = send(h->fd, out->data + h->sent, out->length - h->sent, MSG_NOSIGNAL);
	struct err err;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		err_set_errno(&err, err_from_errno(errno), errno, "it does not listen");
		fail(h, &err);
		return;
	}
	h->sent += (size_t)n;
	if (h->sent < out->length)
		return;
	proxy_client_sent(&h->client);
	h->sent = 0;
	loop_io_want(&h->io, LOOP_READ);
}

/* ---- listening ---- */

/* What was only looked at is taken off the socket, as far as it was the proxy's. */
static int take(struct proxy_handshake *h, size_t size)
{
	char bytes[LOOK_MAX];

	while (size > 0) {
		ssize_t n = recv(h->fd, bytes, MIN(size, sizeof(bytes)), 0);

		if (n <= 0)
			return -1;
		size -= (size_t)n;
	}
	return 0;
}

static void on_answer(struct proxy_handshake *h, const char *bytes, size_t size)
{
	struct err err;
	size_t used;
	enum proxy_client_result result = proxy_client_step(&h->client, bytes, size, &used, &err);

	if (result == PROXY_CLIENT_FAILED) {
		fail(h, &err);
		return;
	}
	if (take(h, used) < 0) {
		err_set(&err, ERR_LOST, "the connection broke");
		fail(h, &err);
		return;
	}
	if (result == PROXY_CLIENT_DONE)
		done(h);
	else if (result == PROXY_CLIENT_SEND)
		loop_io_want(&h->io, LOOP_WRITE);
}

static void on_readable(struct proxy_handshake *h)
{
	char bytes[LOOK_MAX];
	ssize_t n = recv(h->fd, bytes, sizeof(bytes), MSG_PEEK);
	struct err err;

	if (n > 0) {
		on_answer(h, bytes, (size_t)n);
		return;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n == 0)
		proxy_client_ended(&h->client, &err);
	else
		err_set_errno(&err, err_from_errno(errno), errno, "the connection broke");
	fail(h, &err);
}

static void on_ready(void *data, unsigned ready)
{
	struct proxy_handshake *h = data;

	if (h->io.interest & LOOP_WRITE)
		on_writable(h);
	else
		on_readable(h);
}

int proxy_handshake_start(struct proxy_handshake *h, struct loop *loop, int fd,
			  const struct proxy_url *url, const char *host, uint16_t port,
			  const struct proxy_handshake_ops *ops, void *data, struct err *err)
{
	*h = (struct proxy_handshake){ .loop = loop, .ops = ops, .data = data, .fd = fd };
	if (proxy_client_init(&h->client, url, host, port, err) < 0) {
		proxy_handshake_stop(h);
		return proxy_blame(url, err);
	}
	if (loop_io_open(&h->io, loop, fd, LOOP_WRITE, on_ready, h) < 0) {
		proxy_handshake_stop(h);
		return err_nomem(err);
	}
	return 0;
}
