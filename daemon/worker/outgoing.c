/* SPDX-License-Identifier: MIT */
#include "daemon/worker/outgoing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/endpoint.h"
#include "lib/str.h"
#include "lib/util.h"

void outgoing_stop(struct outgoing *o)
{
	if (!o->parts)
		return;
	resolve_cancel(&o->lookup);
	dial_free(TAKE(o->dial));
	loop_defer_close(&o->unix_connect);
	free(TAKE(o->host));
	o->parts = NULL;
}

static void fail(struct outgoing *o, const struct err *why)
{
	char target[ENDPOINT_TEXT_MAX], shown[ENDPOINT_HOST_MAX + 1];
	struct err err = *why;

	str_escape(shown, sizeof(shown), o->host, strlen(o->host));
	if (!strstr(err.msg, shown))
		err_prefix(&err, "%s", endpoint_format(target, shown, o->port));
	outgoing_stop(o);
	o->ops->on_failed(o->data, &err);
}

static void connected(struct outgoing *o, int fd)
{
	outgoing_stop(o);
	o->ops->on_connected(o->data, fd);
}

/* ---- host:port ---- */

static void on_dialed(void *data, int fd, const struct address *address)
{
	connected(data, fd);
}

static void on_dial_failed(void *data, const struct err *err)
{
	fail(data, err);
}

static const struct dial_ops dial_ops = { .on_connected = on_dialed, .on_failed = on_dial_failed };

static void on_resolved(void *data, const struct address *addresses, size_t count,
			const struct err *err)
{
	struct address ready[RESOLVE_ADDRESSES_MAX];
	struct outgoing *o = data;
	struct err why;

	if (err) {
		fail(o, err);
		return;
	}
	count = MIN(count, (size_t)RESOLVE_ADDRESSES_MAX);
	for (size_t i = 0; i < count; i++) {
		ready[i] = addresses[i];
		address_set_port(&ready[i], o->port);
	}
	o->dial = dial_new(o->parts->loop, o->host, ready, count, NULL, &dial_ops, o, &why);
	if (!o->dial)
		fail(o, &why);
}

/* ---- a Unix socket ---- */

/* Connected at once, or not: the kernel does not keep anybody waiting. */
static int connect_unix(const char *path, int *ret_fd)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int sys;

	*ret_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (*ret_fd < 0)
		return errno;
	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	if (connect(*ret_fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return 0;
	sys = errno;
	closep(ret_fd);
	return sys;
}

static void on_unix_connect(void *data)
{
	struct outgoing *o = data;
	struct err err;
	int fd, sys;

	if (strlen(o->host) >= sizeof(((struct sockaddr_un *)0)->sun_path)) {
		err_set(&err, ERR_TARGET, "%s: the path is too long for a Unix socket", o->host);
		fail(o, &err);
		return;
	}
	sys = connect_unix(o->host, &fd);
	if (sys == 0) {
		connected(o, fd);
	} else if (sys == EAGAIN) {
		err_set(&err, ERR_LIMIT,
			"%s: the service there does not accept connections fast "
			"enough",
			o->host);
		fail(o, &err);
	} else {
		err_set_errno(&err, sys == ENOENT ? ERR_REFUSED : err_from_errno(sys), sys,
			      "cannot connect to %s", o->host);
		fail(o, &err);
	}
}

int outgoing_start(struct outgoing *o, const struct worker_parts *parts, const char *host,
		   uint16_t port, const struct outgoing_ops *ops, void *data, struct err *err)
{
	*o = (struct outgoing){ .parts = parts, .port = port, .ops = ops, .data = data };
	o->host = strdup(host);
	if (!o->host) {
		o->parts = NULL;
		return err_nomem(err);
	}
	loop_defer_open(&o->unix_connect, parts->loop, on_unix_connect, o);
	if (port == 0) {
		loop_defer_schedule(&o->unix_connect);
		return 0;
	}
	if (resolve_start(parts->targets, &o->lookup, host, on_resolved, o, err) < 0) {
		outgoing_stop(o);
		return -1;
	}
	return 0;
}
