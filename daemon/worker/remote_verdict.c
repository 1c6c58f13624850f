/* SPDX-License-Identifier: MIT */
#include "daemon/worker/remote_verdict.h"

#include <string.h>

#include "lib/util.h"

#define OLD_MS 60000
#define FIRST_FREE_PORT 1024 /* those below are for root, also on servers */

static const struct channel_pipe_ops pipe_ops;

static void give(struct remote_verdict *v, const struct err *why)
{
	v->pipe = NULL;
	v->given_ms = loop_now_ms(v->loop);
	v->on_verdict(v->data, why);
}

static void taken(struct remote_verdict *v)
{
	unsigned port = v->refusal.port;
	struct err err;

	if (v->refusal.was_ours)
		err_set(&err, ERR_FORWARD_GHOST,
			"port %u on the server is still held by an older session of this tunnel, which "
			"the server has not given up; it is asked again every 2 s. 'ClientAliveInterval "
			"15' in its sshd_config shortens this; to end it now, see there: "
			"ss -ltnp 'sport = :%u'",
			port, port);
	else
		err_set(&err, ERR_FORWARD_IN_USE,
			"port %u on the server is in use by another program or session; stop that "
			"(to see it there: ss -ltnp 'sport = :%u'), or choose another port",
			port, port);
	give(v, &err);
}

static void not_permitted(struct remote_verdict *v)
{
	const struct remote_refusal *r = &v->refusal;
	struct err err;

	if (r->port > 0 && r->port < FIRST_FREE_PORT)
		err_set(&err, ERR_FORWARD_REFUSED,
			"the server does not listen on port %u: below %u that takes a login as root "
			"there, and AllowTcpForwarding and PermitListen that permit it; choose a "
			"higher port",
			r->port, FIRST_FREE_PORT);
	else
		err_set(&err, ERR_FORWARD_REFUSED,
			"the server does not permit listening on %s:%u; check AllowTcpForwarding and "
			"PermitListen in its sshd_config, and the options of the key in "
			"authorized_keys (restrict, permitlisten)",
			r->address, r->port);
	give(v, &err);
}

/* It may not connect for us either. */
static void unknown(struct remote_verdict *v)
{
	const struct remote_refusal *r = &v->refusal;
	struct err err;

	if (r->was_ours) {
		taken(v);
		return;
	}
	err_set(&err, ERR_FORWARD_REFUSED,
		"the server refused to listen on %s:%u: it does not permit it (check AllowTcpForwarding "
		"and PermitListen in its sshd_config, and the options of the key in authorized_keys), or "
		"the port is in use there",
		r->address, r->port);
	give(v, &err);
}

static bool is_special(const struct remote_refusal *r)
{
	return strcmp(r->address, "*") != 0 && strcmp(r->address, "0.0.0.0") != 0 &&
	       strcmp(r->address, "::") != 0 && strcmp(r->address, "localhost") != 0;
}

/* False: there was no memory. */
static bool ask(struct remote_verdict *v, const char *host)
{
	struct channel_origin origin = { .host = "127.0.0.1", .port = CHANNEL_NO_PORT };
	struct err err;

	v->pipe = channel_pipe_open(v->session, host, v->refusal.port, &origin, &pipe_ops, v, &err);
	return v->pipe != NULL;
}

/* With GatewayPorts no, the server would have listened on its loopback, whatever it was asked for. */
static void on_open(void *data, const struct err *err)
{
	struct remote_verdict *v = data;

	if (!err) {
		channel_pipe_release(TAKE(v->pipe));
		taken(v);
		return;
	}
	v->pipe = NULL;
	if (err->code == ERR_PROHIBITED) {
		unknown(v);
	} else if (!v->asked_loopback) {
		v->asked_loopback = true;
		if (!ask(v, "localhost"))
			unknown(v);
	} else {
		not_permitted(v);
	}
}

static size_t on_data(void *data, const char *bytes, size_t size)
{
	return size;
}

static void on_service(void *data)
{
}

static void on_lost(void *data)
{
	struct remote_verdict *v = data;

	v->pipe = NULL;
}

static const struct channel_pipe_ops pipe_ops = {
	.on_open = on_open,
	.on_data = on_data,
	.on_service = on_service,
	.on_lost = on_lost,
};

void remote_verdict_init(struct remote_verdict *v, struct loop *loop)
{
	*v = (struct remote_verdict){ .loop = loop };
}

void remote_verdict_start(struct remote_verdict *v, struct session *s,
			  const struct remote_refusal *refusal, remote_verdict_fn on_verdict,
			  void *data)
{
	if (v->pipe)
		return;
	v->session = s;
	v->refusal = *refusal;
	v->on_verdict = on_verdict;
	v->data = data;
	v->asked_loopback = !is_special(refusal);
	if (refusal->port == 0)
		not_permitted(v);
	else if (!ask(v, v->asked_loopback ? "localhost" : refusal->address))
		unknown(v);
}

void remote_verdict_stop(struct remote_verdict *v)
{
	if (v->pipe)
		channel_pipe_release(TAKE(v->pipe));
	v->given_ms = 0;
}

bool remote_verdict_is_old(const struct remote_verdict *v)
{
	return v->given_ms > 0 && loop_now_ms(v->loop) - v->given_ms >= OLD_MS;
}

bool remote_verdict_is_pending(const struct remote_verdict *v)
{
	return v->pipe != NULL;
}

void remote_verdict_give_up(struct remote_verdict *v)
{
	channel_pipe_release(TAKE(v->pipe));
	unknown(v);
}
