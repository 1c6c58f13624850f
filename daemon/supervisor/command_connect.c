/* SPDX-License-Identifier: MIT */
/*
 * Connect: a client's connection to the control socket becomes a connection to somewhere behind a
 * tunnel's server. The worker opens the channel first; when it has one, the client is answered, and
 * when the client has that answer, its very socket goes to the worker. Here no byte of it is read.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/supervisor/commands.h"
#include "lib/endpoint.h"
#include "lib/str.h"
#include "lib/util.h"

#define OPEN_MS 180000 /* to reach a target that does not answer, beyond what a client may wait */

struct connecting {
	struct supervisor *supervisor;
	struct call *call;
	uint64_t tunnel;
	struct config_end target;
	struct ask ask;
	uint64_t generation; /* of the worker that was asked; 0: none yet */
	struct tunnels_observer observer; /* until it was asked */
	struct loop_timer patience; /* for a worker that could be */
};

/* ---- the end of it ---- */

static struct worker *worker_of(const struct connecting *c)
{
	return c->generation ? workers_find_generation(c->supervisor->workers, c->generation)
			     : NULL;
}

static void stop_waiting(struct connecting *c)
{
	list_remove(&c->observer.link);
	loop_timer_stop(&c->patience);
}

static void connecting_free(struct connecting *c)
{
	ask_forget(&c->ask);
	list_remove(&c->observer.link);
	loop_timer_close(&c->patience);
	free(c->target.host);
	free(c);
}

static void cancel(struct connecting *c)
{
	struct worker *w = worker_of(c);

	if (w)
		worker_send(w, wire_about_call("connect-cancel", c->ask.call), NULL, 0);
	connecting_free(c);
}

static void on_gone(void *data)
{
	cancel(data);
}

static void fail(struct connecting *c, const struct err *err)
{
	const struct tunnel *t = tunnels_find_id(&c->supervisor->tunnels, c->tunnel);
	struct call *call = c->call;

	cancel(c);
	commands_fail(call, err, t ? t->name : NULL);
}

/* ---- asking ---- */

static void on_failed(struct ask *ask, const struct err *why)
{
	fail(list_entry(ask, struct connecting, ask), why);
}

/* The client's turn is over, the worker's begins. A worker that has died meanwhile leaves it
 * without an end but the end of file. */
static void hand_over(void *data, int fd)
{
	struct connecting *c = data;
	struct worker *w = worker_of(c);

	if (w)
		worker_send(w, wire_about_call("attach", c->ask.call), &fd, 1);
	connecting_free(c);
}

static int on_connected(struct ask *ask, json_t *message, struct err *err)
{
	struct connecting *c = list_entry(ask, struct connecting, ask);
	struct err why;
	uint64_t call;

	if (wire_read_connected(message, &call, &why, err) < 0) {
		fail(c, err);
		return -1;
	}
	if (why.code != ERR_NONE) {
		c->generation = 0; /* it has nothing to cancel */
		fail(c, &why);
	} else {
		call_upgrade(c->call, NULL, hand_over);
	}
	return 0;
}

/* Only a worker that was told everything knows the tunnel. */
static bool is_askable(const struct tunnel *t)
{
	return t->worker && worker_is_running(t->worker) && t->spec_told && t->start_told;
}

static void ask_worker(struct connecting *c, const struct tunnel *t)
{
	struct asks *asks = &c->supervisor->asks;
	json_t *message = wire_connect(asks_next_call(asks), t->id, &c->target);
	struct err err;

	stop_waiting(c);
	c->generation = t->worker->generation;
	if (ask(asks, &c->ask, t->worker, message, t->spec->upkeep.hold_ms + (uint64_t)OPEN_MS) ==
	    0)
		return;
	c->generation = 0;
	err_nomem(&err);
	fail(c, &err);
}

static void explain_state(const struct tunnel *t, struct err *ret)
{
	if (!t->wanted)
		err_set(ret, ERR_NOT_CONNECTED,
			"tunnel '%s' is stopped; start it with tunctl up %s", t->name, t->name);
	else
		err_set(ret, ERR_NOT_CONNECTED, "tunnel '%s' is not connected (%s)%s%s", t->name,
			tunnel_state_name(t->state), t->error ? ": " : "",
			t->error ? t->error->msg : "");
}

static void on_event(void *data, struct tunnel *t, enum tunnel_event event)
{
	struct connecting *c = data;
	struct err err;

	if (t->id != c->tunnel)
		return;
	if (event == TUNNEL_EV_REMOVED || !t->wanted) {
		explain_state(t, &err);
		fail(c, &err);
	} else if (is_askable(t)) {
		ask_worker(c, t);
	}
}

static void on_impatience(void *data)
{
	struct connecting *c = data;
	const struct tunnel *t = tunnels_find_id(&c->supervisor->tunnels, c->tunnel);
	struct err err;

	explain_state(t, &err); /* it would have been told that it is gone */
	fail(c, &err);
}

/* ---- the method ---- */

/* "host:port" or "/path"; host is the caller's to free. */
static int parse_target(const char *text, struct config_end *ret, struct err *err)
{
	struct endpoint endpoint;

	*ret = (struct config_end){ .kind = END_UNIX };
	if (text[0] == '/') {
		if (strlen(text) > ENDPOINT_HOST_MAX)
			return err_set(err, ERR_USAGE, "the path is too long for a socket");
	} else {
		if (endpoint_parse(text, &endpoint, err) < 0) {
			err->code = ERR_USAGE; /* not of a configuration */
			return -1;
		}
		if (endpoint.user[0] || !endpoint.port)
			return err_set(err, ERR_USAGE,
				       "a target is HOST:PORT or the path of a Unix socket");
		*ret = (struct config_end){ .kind = END_TCP, .port = endpoint.port };
		text = endpoint.host;
	}
	ret->host = strdup(text);
	return ret->host ? 0 : err_nomem(err);
}

static int check_call(const struct call *call, struct err *err)
{
	if (!call->request.upgrade)
		return err_set(err, ERR_USAGE, "Connect has to be called with 'upgrade'");
	if (!call_is_last(call))
		return err_set(err, ERR_USAGE, "wait for the answer to Connect before you go on");
	return 0;
}

static struct connecting *connecting_new(struct supervisor *s, struct call *call,
					 const struct tunnel *t, struct err *err)
{
	const char *text = json_string_value(json_object_get(call->request.parameters, "target"));
	struct connecting *c = calloc(1, sizeof(*c));

	if (!c) {
		err_nomem(err);
		return NULL;
	}
	*c = (struct connecting){ .supervisor = s, .call = call, .tunnel = t->id };
	c->ask = (struct ask){ .answer = "connected",
			       .on_answer = on_connected,
			       .on_failed = on_failed };
	c->observer = (struct tunnels_observer){ .on_event = on_event, .data = c };
	list_init(&c->observer.link);
	if (parse_target(text, &c->target, err) == 0) {
		if (loop_timer_open(&c->patience, s->loop, on_impatience, c) == 0)
			return c;
		err_nomem(err);
	}
	connecting_free(c);
	return NULL;
}

void command_connect(struct supervisor *s, struct call *call)
{
	struct tunnel *t = commands_named_tunnel(s, call);
	struct connecting *c = NULL;
	struct err err;

	if (!t)
		return;
	if (!t->wanted)
		explain_state(t, &err);
	else if (check_call(call, &err) == 0)
		c = connecting_new(s, call, t, &err);
	if (!c) {
		commands_fail(call, &err, t->name);
		return;
	}
	call_defer(call, on_gone, c);
	if (is_askable(t)) {
		ask_worker(c, t);
		return;
	}
	tunnels_observe(&s->tunnels, &c->observer);
	loop_timer_set(&c->patience, t->spec->upkeep.hold_ms);
}
