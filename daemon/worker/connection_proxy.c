/* SPDX-License-Identifier: MIT */
/*
 * A client that says where it wants to go: a proxy speaks with it (proxy.h), and asks the connection to
 * reach one target after the other. A stream leaves the proxy when its target is reached; plain requests
 * stay, and get a pair of sockets each, with the proxy at one end and the channel's relay at the other.
 * Where the client is at the server's side there is one pair, between the channel it came by and the proxy.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/worker/connection_parts.h"
#include "lib/util.h"

/* ---- what it asked for is reached ---- */

static void on_pump_end(void *data, bool reset)
{
	struct connection *c = data;

	c->pump = NULL;
	if (reset && !c->relay)
		connection_end(c, true);
	else
		connection_end_after_relay(c);
}

static const struct pump_ops pump_ops = { .on_end = on_pump_end };

/* One end of a pair goes to a relay, the other to whoever talks with the client. -1: returned with
 * err. */
static int join_pair(struct connection *c, struct err *err)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
		return err_set_errno(err, ERR_LIMIT, errno, "cannot make a socket pair");
	if (connection_join(c, pair[0], NULL, 0, err) == 0)
		return pair[1];
	close(pair[0]);
	close(pair[1]);
	return -1;
}

/* The client's stream leaves the proxy, with what it has sent already. */
static int join_stream(struct connection *c, struct err *err)
{
	char *early;
	size_t early_size;
	int fd = proxy_release(TAKE(c->proxy), &early, &early_size);

	if (fd < 0)
		return err_set(err, ERR_LOST, "the client has gone");
	if (connection_join(c, fd, early, early_size, err) == 0)
		return 0;
	free(early);
	close(fd);
	return -1;
}

/* The same, where the target is reached by a socket. Takes fd. */
static int pump_stream(struct connection *c, int fd, struct err *err)
{
	char *early;
	size_t early_size;
	int near = proxy_release(TAKE(c->proxy), &early, &early_size);

	if (near < 0) {
		close(fd);
		return err_set(err, ERR_LOST, "the client has gone");
	}
	c->pump = pump_new(c->home->parts->loop, near, fd, early, early_size, &c->traffic.active_ms,
			   &pump_ops, c, err);
	return c->pump ? 0 : -1;
}

int connection_proxy_join(struct connection *c, struct err *err)
{
	int fd;

	if (c->is_stream)
		return join_stream(c, err);
	fd = join_pair(c, err);
	if (fd < 0)
		return -1;
	proxy_attach(c->proxy, fd);
	return 0;
}

int connection_proxy_take(struct connection *c, int fd, struct err *err)
{
	if (c->is_stream)
		return pump_stream(c, fd, err);
	proxy_attach(c->proxy, fd);
	return 0;
}

/* ---- what it asks for ---- */

static void on_proxy_request(void *data, const char *host, uint16_t port, bool is_stream)
{
	struct connection *c = data;
	struct err err;

	c->is_stream = is_stream;
	/* The last request has been answered; its channel may still be saying goodbye. */
	if (!c->is_remote)
		relay_end(TAKE(c->relay), false);
	if (connection_reach(c, host, port, &err) < 0)
		proxy_refuse(c->proxy, &err);
}

static void on_proxy_end(void *data, const struct err *err)
{
	struct connection *c = data;

	c->proxy = NULL;
	if (err)
		connection_home_complain(c->home, c->from, err);
	connection_end_after_relay(c);
}

static const struct proxy_ops proxy_ops = {
	.on_request = on_proxy_request,
	.on_end = on_proxy_end,
};

int connection_proxy_start(struct connection *c, int fd, struct err *err)
{
	struct proxy_settings settings = { .loop = c->home->parts->loop,
					   .allow = &c->home->spec->allow,
					   .user = c->home->spec->user,
					   .password = c->home->spec->password };

	connection_set_state(c, CONNECTION_HANDSHAKE);
	c->proxy = proxy_new(&settings, fd, &proxy_ops, c, err);
	return c->proxy ? 0 : -1;
}

int connection_proxy_start_behind_pair(struct connection *c, struct err *err)
{
	int fd = join_pair(c, err);

	if (fd < 0)
		return -1;
	if (connection_proxy_start(c, fd, err) == 0)
		return 0;
	close(fd);
	return -1;
}
