/* SPDX-License-Identifier: MIT */
/*
 * Forwards whose clients come to sockets of this machine: local (ssh -L) and dynamic (ssh -D). They
 * differ only in who says where a connection leads.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/common/log.h"
#include "daemon/worker/acceptor.h"
#include "daemon/worker/forward.h"
#include "daemon/worker/local_socket.h"
#include "daemon/worker/session.h"

struct forward_local {
	struct forward base;
	struct acceptor acceptor;
};

static struct forward_local *local(struct forward *f)
{
	return (struct forward_local *)f;
}

static enum forward_state state(const struct forward *f)
{
	if (f->setup_error.code != ERR_NONE)
		return FORWARD_FAILED;
	if (f->home.session)
		return f->serve_error.code == ERR_PROHIBITED ||
				       f->serve_error.code == ERR_UNSUPPORTED
			       ? FORWARD_FAILED
			       : FORWARD_OPEN;
	return acceptor_is_holding(&((const struct forward_local *)f)->acceptor) ? FORWARD_WAITING
										 : FORWARD_CLOSED;
}

/* ---- clients ---- */

/* What OpenSSH says of a client without an address. */
static void origin_of(const struct sockaddr_storage *from, struct channel_origin *ret)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)from;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)from;

	*ret = (struct channel_origin){ .host = "127.0.0.1", .port = CHANNEL_NO_PORT };
	if (from->ss_family == AF_INET) {
		inet_ntop(AF_INET, &v4->sin_addr, ret->host, sizeof(ret->host));
		ret->port = ntohs(v4->sin_port);
	} else if (from->ss_family == AF_INET6) {
		inet_ntop(AF_INET6, &v6->sin6_addr, ret->host, sizeof(ret->host));
		ret->port = ntohs(v6->sin6_port);
	}
}

static struct connection *open_connection(struct forward *f, int fd,
					  const struct channel_origin *from, unsigned port_offset,
					  struct err *err)
{
	if (f->spec.type != FORWARD_DYNAMIC)
		return connection_open_local(&f->home, fd, from, &f->spec.target, port_offset, err);
	forward_limit_handshakes(f);
	return connection_open_dynamic(&f->home, fd, from, err);
}

static void on_client(void *data, int fd, const struct sockaddr_storage *from, unsigned port_offset)
{
	struct forward *f = data;
	struct channel_origin origin;
	struct err err;

	origin_of(from, &origin);
	if (open_connection(f, fd, &origin, port_offset, &err)) {
		forward_begun(f);
		return;
	}
	local_socket_reset(fd);
	connection_home_complain(&f->home, origin.host, &err);
	if (err.code == ERR_UNSUPPORTED && f->serve_error.code != err.code) {
		f->serve_error = err;
		forward_tell(f);
	}
}

static bool has_room(void *data)
{
	return forward_has_room(data);
}

static void on_waiting(void *data)
{
	struct forward *f = data;

	if (!f->retired)
		f->ops->on_waiting(f->data, f);
}

static void on_change(void *data)
{
	forward_tell_if_changed(data);
}

static const struct acceptor_ops acceptor_ops = {
	.has_room = has_room,
	.on_client = on_client,
	.on_waiting = on_waiting,
	.on_change = on_change,
};

/* ---- what its tunnel says ---- */

static void serve(struct forward *f)
{
	acceptor_set_mode(&local(f)->acceptor, ACCEPTOR_SERVES);
}

static void hold(struct forward *f, struct session *s)
{
	acceptor_set_mode(&local(f)->acceptor, ACCEPTOR_HOLDS);
}

static void refuse(struct forward *f, struct session *s)
{
	acceptor_set_mode(&local(f)->acceptor, ACCEPTOR_REFUSES);
}

static void retire(struct forward *f, struct session *s)
{
	acceptor_close_sockets(&local(f)->acceptor);
	forward_stopped_listening(f);
}

static bool is_waiting(const struct forward *f)
{
	return acceptor_has_waiting(&((const struct forward_local *)f)->acceptor);
}

static void room(struct forward *f)
{
	acceptor_rearm(&local(f)->acceptor);
}

static void free_parts(struct forward *f)
{
	acceptor_fini(&local(f)->acceptor);
}

static const struct forward_kind kind = {
	.serve = serve,
	.hold = hold,
	.refuse = refuse,
	.retire = retire,
	.is_waiting = is_waiting,
	.room = room,
	.state = state,
	.free = free_parts,
};

struct forward *forward_local_new(const struct worker_parts *parts,
				  const struct wire_forward *about, struct config_forward *spec,
				  unsigned hold_ms, const struct forward_ops *ops, void *data,
				  struct err *err)
{
	struct forward_local *f = calloc(1, sizeof(*f));
	unsigned first_port = spec->listen.kind == END_TCP ? spec->listen.port : 0;

	if (!f) {
		err_nomem(err);
		return NULL;
	}
	if (forward_init(&f->base, &kind, parts, about, spec, ops, data, err) < 0) {
		free(f);
		return NULL;
	}
	if (acceptor_init(&f->acceptor, parts, f->base.spec.name, first_port, hold_ms,
			  &acceptor_ops, f, err) < 0) {
		forward_free(&f->base);
		return NULL;
	}
	return &f->base;
}

/* ---- sockets ---- */

static bool has_acceptor(const struct forward *f)
{
	return f->kind == &kind;
}

int forward_set_sockets(struct forward *f, int *fds, size_t count, size_t expected,
			const struct err *error)
{
	if (!has_acceptor(f))
		return 0;
	if (acceptor_replace_sockets(&local(f)->acceptor, expected) < 0 ||
	    acceptor_add_sockets(&local(f)->acceptor, fds, count) < 0)
		return -1;
	f->setup_error = *error;
	forward_tell(f);
	return 0;
}

int forward_add_sockets(struct forward *f, int *fds, size_t count)
{
	return has_acceptor(f) ? acceptor_add_sockets(&local(f)->acceptor, fds, count) : 0;
}

void forward_set_hold(struct forward *f, unsigned hold_ms)
{
	if (has_acceptor(f))
		local(f)->acceptor.hold_ms = hold_ms;
}
