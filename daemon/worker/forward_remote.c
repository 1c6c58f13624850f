/* SPDX-License-Identifier: MIT */
/*
 * Forwards whose clients come to the server: remote (ssh -R), with a target of ours or, as a proxy,
 * with one that each client names. The server is asked to listen, port by port; what it refuses is
 * asked for again as long as the session lives, because the usual reason is a listener of our own
 * last session, which the server has not given up yet. The protocol has only one word for every
 * refusal: remote_verdict.c finds out what it means.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/common/log.h"
#include "daemon/worker/forward.h"
#include "daemon/worker/remote_verdict.h"
#include "daemon/worker/session.h"
#include "lib/util.h"

#define ANSWER_MS 5000 /* for an answer to anything; then the tunnel goes on without */
#define VERDICT_MS 3000 /* for finding out what a refusal means */
#define REMOVE_MS 2000 /* for the answer to a cancel, when the forward goes */
#define RETRY_MS 2000 /* while the last session's listener may be in the way, and a little more */
#define RETRY_SPREAD_MS 400
#define RETRY_PATIENCE_MS (10 * 60 * 1000) /* of that; then the wait grows */
#define RETRY_MAX_MS 30000
#define OLD_PORT_TRIES 3 /* for the port the server chose last time, before it chooses again */

enum port_state { PORT_IDLE, PORT_ASKED, PORT_OPEN, PORT_REFUSED };

/* One listener on the server. */
struct remote_port {
	struct forward_remote *owner;
	unsigned wanted; /* 0: the server chooses */
	enum port_state state;
	bool was_ours; /* this server has listened there for us, in this session or an earlier one */
	struct session_listener listener;
	struct session_request request;
};

struct forward_remote {
	struct forward base;
	struct remote_port *ports;
	size_t count;
	uint16_t bound_port; /* where a server listened last; 0: none did */
	bool is_other_server; /* than the one that did */
	unsigned tries; /* of this session, in a row, that were refused */
	bool late; /* the server did not answer in time */
	uint64_t refused_since_ms; /* 0: not */
	unsigned retry_ms;
	struct loop_timer limit, retry;
	struct remote_verdict verdict;
	struct session_request farewell; /* answered after all cancels */
	struct session *leaving; /* the session it waits for; NULL: it does not */
};

static struct forward_remote *remote(struct forward *f)
{
	return (struct forward_remote *)f;
}

static const struct forward_remote *remote_const(const struct forward *f)
{
	return (const struct forward_remote *)f;
}

static size_t count_in(const struct forward_remote *f, enum port_state state)
{
	size_t n = 0;

	for (size_t i = 0; i < f->count; i++)
		n += f->ports[i].state == state;
	return n;
}

/* ---- state ---- */

static enum forward_state state(const struct forward *f)
{
	const struct forward_remote *r = remote_const(f);

	if (!f->home.session)
		return FORWARD_CLOSED;
	if (f->setup_error.code != ERR_NONE)
		return FORWARD_FAILED;
	return count_in(r, PORT_OPEN) == r->count ? FORWARD_OPEN : FORWARD_OPENING;
}

static bool is_loopback(const char *host)
{
	return strcmp(host, "localhost") == 0 || strcmp(host, "127.0.0.1") == 0 ||
	       strcmp(host, "::1") == 0;
}

/* Whether the server does as it was told is not in its answer. */
static void describe(const struct forward *f, struct wire_forward_state *ret)
{
	const struct forward_remote *r = remote_const(f);

	if (ret->state != FORWARD_OPEN)
		return;
	ret->port = (uint16_t)r->ports[0].listener.port;
	if (ret->port == 0)
		snprintf(ret->note, sizeof(ret->note),
			 "the server listens, but its choice of a port was lost; the first "
			 "connection tells it");
	else if (!is_loopback(f->spec.listen.host))
		snprintf(
			ret->note, sizeof(ret->note),
			"with 'GatewayPorts no', sshd's default, the server listens on its loopback "
			"only; to see it there: ss -ltn 'sport = :%u'",
			ret->port);
}

/* ---- connections ---- */

static bool may_accept(void *data)
{
	struct remote_port *p = data;
	struct forward *f = &p->owner->base;

	if (f->spec.target.kind == END_PROXY)
		forward_limit_handshakes(f);
	return forward_has_room(f);
}

static void learn_port(struct remote_port *p, unsigned port)
{
	p->listener.port = port;
	p->owner->bound_port = (uint16_t)port;
	forward_tell(&p->owner->base);
}

static void on_channel(void *data, const struct session_incoming *in, ssh_channel ssh)
{
	struct remote_port *p = data;
	struct forward *f = &p->owner->base;
	struct connection *c;
	struct err err;

	if (p->listener.port == 0)
		learn_port(p, in->port);
	if (f->spec.target.kind == END_PROXY)
		c = connection_open_remote_dynamic(&f->home, ssh, in->originator, &err);
	else
		c = connection_open_remote(&f->home, ssh, in->originator, &f->spec.target,
					   (unsigned)(p - p->owner->ports), &err);
	if (c)
		forward_begun(f);
	else
		connection_home_complain(&f->home, in->originator, &err);
}

/* ---- asking ---- */

/* RFC 4254 section 7.1: "" is every address and both families, "localhost" both loopbacks. */
static const char *address_of(const struct forward *f)
{
	return strcmp(f->spec.listen.host, "*") == 0 ? "" : f->spec.listen.host;
}

static void retry_later(struct forward_remote *f)
{
	uint64_t now = loop_now_ms(f->base.parts->loop);

	if (f->refused_since_ms == 0) {
		f->refused_since_ms = now;
		f->retry_ms = RETRY_MS;
	} else if (now - f->refused_since_ms > RETRY_PATIENCE_MS) {
		f->retry_ms = MIN(f->retry_ms * 3 / 2, (unsigned)RETRY_MAX_MS);
	}
	loop_timer_set(&f->retry, f->retry_ms + (unsigned)(monotonic_us() % RETRY_SPREAD_MS));
}

static void on_verdict(void *data, const struct err *why)
{
	struct forward_remote *f = data;

	forward_set_setup_error(&f->base, why);
}

/* One refusal of many is looked into; the others have the same reason, or will be next. */
static void judge(struct forward_remote *f)
{
	for (size_t i = 0; i < f->count; i++) {
		struct remote_port *p = &f->ports[i];
		struct remote_refusal refusal = { .address = f->base.spec.listen.host,
						  .port = p->listener.port,
						  .was_ours = p->was_ours };

		if (p->state != PORT_REFUSED)
			continue;
		remote_verdict_start(&f->verdict, f->base.home.session, &refusal, on_verdict, f);
		return;
	}
}

static bool is_unjudged(const struct forward_remote *f)
{
	return f->base.setup_error.code == ERR_NONE || f->base.setup_error.code == ERR_TIMEOUT;
}

/* The answers are complete, or time is up. */
static void conclude(struct forward_remote *f)
{
	if (count_in(f, PORT_ASKED) > 0 && !f->late)
		return;
	loop_timer_stop(&f->limit);
	if (count_in(f, PORT_REFUSED) > 0) {
		f->tries++;
		retry_later(f);
		if (is_unjudged(f) || remote_verdict_is_old(&f->verdict))
			judge(f);
		if (remote_verdict_is_pending(&f->verdict))
			loop_timer_set(&f->limit, VERDICT_MS);
		return;
	}
	if (count_in(f, PORT_OPEN) < f->count)
		return;
	f->tries = 0;
	f->refused_since_ms = 0;
	f->late = false;
	remote_verdict_stop(&f->verdict);
	forward_set_setup_error(&f->base, NULL);
}

static void on_answer(void *data, const struct session_answer *answer)
{
	struct remote_port *p = data;
	struct forward_remote *f = p->owner;

	if (answer->granted) {
		p->state = PORT_OPEN;
		p->was_ours = true;
		f->is_other_server = false;
		p->listener.port = answer->port;
		if (p == f->ports && answer->port)
			f->bound_port = (uint16_t)answer->port;
	} else {
		p->state = PORT_REFUSED;
		list_remove(&p->listener.link);
	}
	conclude(f);
}

/* A port the server chose once is kept, as long as it can be had. */
static unsigned port_to_ask(const struct remote_port *p)
{
	const struct forward_remote *f = p->owner;

	if (p->wanted == 0 && f->bound_port && f->tries < (f->is_other_server ? 1 : OLD_PORT_TRIES))
		return f->bound_port;
	return p->wanted;
}

static void ask(struct forward_remote *f)
{
	for (size_t i = 0; i < f->count; i++) {
		struct remote_port *p = &f->ports[i];

		if (p->state == PORT_OPEN || p->state == PORT_ASKED)
			continue;
		p->state = PORT_ASKED;
		p->listener.port = port_to_ask(p);
		session_listen(f->base.home.session, &p->request, &p->listener, on_answer, p);
	}
	f->late = false;
	if (count_in(f, PORT_ASKED) > 0)
		loop_timer_set(&f->limit, ANSWER_MS);
}

static void on_retry(void *data)
{
	ask(data);
}

static void on_leave_over(void *data, const struct session_answer *answer);

/* A server has to answer (RFC 4254 section 4). What it still answers later counts all the same. */
static void on_limit(void *data)
{
	struct forward_remote *f = data;
	char listen[CONFIG_END_TEXT_MAX];
	unsigned waited_ms;
	struct err err;

	if (f->leaving) {
		session_forget(f->leaving, &f->farewell);
		on_leave_over(f, NULL);
		return;
	}
	if (remote_verdict_is_pending(&f->verdict)) {
		remote_verdict_give_up(&f->verdict);
		return;
	}
	waited_ms = session_unanswered_ms(f->base.home.session);
	if (waited_ms < ANSWER_MS) { /* it answers others, one after the other */
		loop_timer_set(&f->limit, ANSWER_MS - waited_ms);
		return;
	}
	f->late = true;
	config_end_text(listen, sizeof(listen), &f->base.spec.listen, f->base.spec.port_count);
	err_set(&err, ERR_TIMEOUT,
		"the server has not answered for %u s whether it listens on %s; it may be overloaded, or "
		"no server that forwards ports",
		waited_ms / 1000, listen);
	forward_set_setup_error(&f->base, &err);
	conclude(f);
}

/* ---- what its tunnel says ---- */

static void serve(struct forward *f)
{
	remote(f)->tries = 0;
	remote(f)->late = false;
	remote(f)->refused_since_ms = 0;
	err_clear(&f->setup_error);
	ask(remote(f));
}

static void forget(struct forward_remote *f, struct session *s)
{
	loop_timer_stop(&f->limit);
	loop_timer_stop(&f->retry);
	remote_verdict_stop(&f->verdict);
	err_clear(&f->base.setup_error);
	for (size_t i = 0; i < f->count; i++) {
		struct remote_port *p = &f->ports[i];

		if (s && p->state == PORT_ASKED)
			session_forget(s, &p->request);
		list_remove(&p->listener.link);
		p->state = PORT_IDLE;
	}
}

static void hold(struct forward *f, struct session *s)
{
	struct forward_remote *r = remote(f);

	forget(r, s);
	if (r->leaving) { /* a session that goes listens for nobody */
		session_forget(r->leaving, &r->farewell);
		on_leave_over(r, NULL);
	}
}

static void cancel_all(struct forward_remote *f, struct session *s)
{
	for (size_t i = 0; i < f->count; i++) {
		if (f->ports[i].state == PORT_OPEN)
			session_cancel(s, &f->ports[i].listener);
	}
	forget(f, s);
}

static void take_leave(struct forward *f)
{
	cancel_all(remote(f), f->home.session);
}

/* No listener there is an old one of ours, and the port it chose is nothing but a wish. */
static void change_server(struct forward *f)
{
	struct forward_remote *r = remote(f);

	r->is_other_server = true;
	for (size_t i = 0; i < r->count; i++)
		r->ports[i].was_ours = false;
}

static void on_leave_over(void *data, const struct session_answer *answer)
{
	struct forward_remote *f = data;

	f->leaving = NULL;
	loop_timer_stop(&f->limit);
	forward_stopped_listening(&f->base);
}

/* The queue is one of first come, first served: after the answer to a sign of life, all cancels are
 * answered. */
static void retire(struct forward *f, struct session *s)
{
	struct forward_remote *r = remote(f);

	if (!s) {
		on_leave_over(r, NULL);
		return;
	}
	cancel_all(r, s);
	r->leaving = s;
	session_probe(s, &r->farewell, on_leave_over, r);
	loop_timer_set(&r->limit, REMOVE_MS);
}

static void free_parts(struct forward *f)
{
	struct forward_remote *r = remote(f);

	forget(r, TAKE(f->home.session));
	if (r->leaving)
		session_forget(TAKE(r->leaving), &r->farewell);
	loop_timer_close(&r->limit);
	loop_timer_close(&r->retry);
	free(r->ports);
}

static const struct forward_kind kind = {
	.serve = serve,
	.hold = hold,
	.refuse = hold,
	.take_leave = take_leave,
	.change_server = change_server,
	.retire = retire,
	.state = state,
	.describe = describe,
	.free = free_parts,
};

static void init_port(struct forward_remote *f, size_t i)
{
	const struct config_end *listen = &f->base.spec.listen;
	struct remote_port *p = &f->ports[i];

	p->owner = f;
	p->wanted = listen->port ? listen->port + (unsigned)i : 0;
	p->was_ours = f->bound_port != 0;
	p->listener.port = p->wanted;
	p->listener.may_accept = may_accept;
	p->listener.on_channel = on_channel;
	p->listener.data = p;
	list_init(&p->listener.link);
	list_init(&p->request.link);
	snprintf(p->listener.address, sizeof(p->listener.address), "%s", address_of(&f->base));
}

struct forward *forward_remote_new(const struct worker_parts *parts,
				   const struct wire_forward *about, struct config_forward *spec,
				   const struct forward_ops *ops, void *data, struct err *err)
{
	struct forward_remote *f = calloc(1, sizeof(*f));
	size_t count;

	if (!f || forward_init(&f->base, &kind, parts, about, spec, ops, data, err) < 0) {
		free(f);
		err_nomem(err);
		return NULL;
	}
	f->bound_port = about->bound_port;
	count = MAX(f->base.spec.port_count, 1);
	f->ports = calloc(count, sizeof(*f->ports));
	remote_verdict_init(&f->verdict, parts->loop);
	if (!f->ports || loop_timer_open(&f->limit, parts->loop, on_limit, f) < 0 ||
	    loop_timer_open(&f->retry, parts->loop, on_retry, f) < 0) {
		forward_free(&f->base);
		err_nomem(err);
		return NULL;
	}
	for (f->count = 0; f->count < count; f->count++)
		init_port(f, f->count);
	return &f->base;
}
