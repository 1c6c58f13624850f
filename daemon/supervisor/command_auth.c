/* SPDX-License-Identifier: MIT */
/*
 * Methods for a person who lets a tunnel in: Auth attends to it and tells what is asked and how it
 * fares, until it has settled; Answer answers, over another connection, because this one is busy
 * listening.
 */
#include <stdlib.h>

#include "daemon/supervisor/commands.h"
#include "daemon/supervisor/servers.h"
#include "daemon/supervisor/snapshot.h"
#include "lib/util.h"

struct auth {
	struct supervisor *supervisor;
	struct call *call;
	struct attendant attendant;
	struct tunnels_observer observer;
	bool dirty; /* something to tell */
	bool retried;
	bool has_better; /* a better server than that in use lacks an answer, and is tried again */
	size_t better; /* its route */
	bool better_was_tried; /* since then */
};

static void auth_free(void *data)
{
	struct auth *a = data;

	questions_leave(&a->attendant);
	list_remove(&a->observer.link);
	free(a);
}

static void on_question(struct attendant *attendant)
{
	struct auth *a = list_entry(attendant, struct auth, attendant);

	a->dirty = true;
	call_wake(a->call);
}

/* ---- a better server, while another carries the tunnel ---- */

static enum route_state better_state(const struct auth *a, const struct tunnel *t)
{
	struct server s;

	servers_get(t, a->better, &s);
	return s.state;
}

/* The best one that a start makes the worker try at once: it tries one after the other, and looks for a
 * better one only where the configuration says so. */
static bool find_better(struct auth *a, const struct tunnel *t)
{
	const struct config_tunnel *spec = t->spec;
	struct server s;

	if (!tunnel_state_is_connected(t->state) || spec->prefer != PREFER_FIRST ||
	    spec->failback_ms == 0)
		return false;
	for (size_t i = 0; i < t->route; i++) {
		servers_get(t, i, &s);
		if (s.state == ROUTE_CONNECTING || s.state == ROUTE_STANDBY)
			return false;
	}
	for (a->better = 0; a->better < t->route; a->better++) {
		servers_get(t, a->better, &s);
		if (s.state == ROUTE_FAILED && s.error && err_wants_answer(s.error->code))
			return true;
	}
	return false;
}

static bool awaits_better(const struct auth *a, const struct tunnel *t)
{
	enum route_state state;

	/* It may be the one in use by now, or the list another one. */
	if (!a->has_better || !tunnel_state_is_connected(t->state) || a->better >= t->route)
		return false;
	state = better_state(a, t);
	return !a->better_was_tried || state == ROUTE_IDLE || state == ROUTE_CONNECTING;
}

/* ---- events ---- */

static void on_event(void *data, struct tunnel *t, enum tunnel_event event)
{
	struct auth *a = data;

	if (t->id != a->attendant.tunnel)
		return;
	a->better_was_tried |= a->has_better && better_state(a, t) != ROUTE_FAILED;
	a->dirty = true;
	call_wake(a->call);
}

static bool is_settled(const struct tunnel *t)
{
	return tunnel_state_is_settled(t->state) && (t->state != TUNNEL_STOPPED || !t->wanted);
}

static json_t *reply_of(struct auth *a, const struct tunnel *t)
{
	return json_pack("{s:o, s:o, s:o}", "tunnel", snapshot_tunnel(t), "question",
			 attendant_question(&a->attendant), "notices",
			 attendant_take_notices(&a->attendant));
}

static bool lacks_an_answer(const struct tunnel *t)
{
	return t->state == TUNNEL_FAILED && t->error && err_wants_answer(t->error->code);
}

/* The attempt that was under way had asked before this person came. */
static bool try_once_more(struct auth *a, struct tunnel *t)
{
	if (a->retried || a->attendant.was_asked || !lacks_an_answer(t))
		return false;
	a->retried = true;
	sync_want(&a->supervisor->sync, t, true);
	return true;
}

/* What this person has told us may be all that others have failed for. */
static void help_others(struct auth *a)
{
	const struct tunnels *ts = &a->supervisor->tunnels;

	for (size_t i = 0; i < ts->count && a->attendant.kept.count > 0; i++) {
		if (attendant_helps(&a->attendant, ts->by_id[i]))
			sync_want(&a->supervisor->sync, ts->by_id[i], true);
	}
}

static void finish(struct auth *a, const struct tunnel *t)
{
	struct call *call = a->call;
	json_t *reply = reply_of(a, t);

	if (tunnel_state_is_connected(t->state))
		help_others(a);
	auth_free(a);
	call_reply(call, reply);
}

static void fail_removed(struct auth *a)
{
	struct call *call = a->call;
	struct err err;

	auth_free(a);
	err_set(&err, ERR_NO_SUCH_TUNNEL, "the tunnel has been removed meanwhile");
	commands_fail(call, &err,
		      json_string_value(json_object_get(call->request.parameters, "name")));
}

static bool auth_step(struct call *call, void *data)
{
	struct auth *a = data;
	struct tunnel *t = tunnels_find_id(&a->supervisor->tunnels, a->attendant.tunnel);

	if (!a->dirty || !call_has_room(call))
		return false;
	a->dirty = false;
	if (!t)
		fail_removed(a);
	else if (is_settled(t) && !awaits_better(a, t) && !try_once_more(a, t))
		finish(a, t);
	else
		call_continue(call, reply_of(a, t));
	return false;
}

void command_auth(struct supervisor *s, struct call *call)
{
	struct tunnel *t = commands_named_tunnel(s, call);
	struct auth *a;
	struct err err;

	if (!t)
		return;
	if (!call->request.more) {
		call_error(call, VARLINK_EXPECTED_MORE, NULL);
		return;
	}
	a = calloc(1, sizeof(*a));
	if (!a) {
		err_nomem(&err);
		commands_fail(call, &err, t->name);
		return;
	}
	*a = (struct auth){ .supervisor = s, .call = call, .dirty = true };
	a->attendant.on_question = on_question;
	a->observer = (struct tunnels_observer){ .on_event = on_event, .data = a };
	list_init(&a->observer.link);
	if (questions_attend(&s->questions, &a->attendant, t, &err) < 0) {
		free(a);
		commands_fail(call, &err, t->name);
		return;
	}
	tunnels_observe(&s->tunnels, &a->observer);
	a->has_better = find_better(a, t);
	if (!tunnel_state_is_connected(t->state) || a->has_better)
		sync_want(&s->sync, t, true);
	call_stream(call, auth_step, auth_free, a);
}

void command_answer(struct supervisor *s, struct call *call)
{
	json_t *parameters = call->request.parameters;
	struct tunnel *t = commands_named_tunnel(s, call);
	struct err err;

	if (!t)
		return;
	if (questions_answer(&s->questions, t,
			     (uint64_t)json_integer_value(json_object_get(parameters, "question")),
			     json_object_get(parameters, "answers"), &err) < 0)
		commands_fail(call, &err, t->name);
	else
		call_reply(call, NULL);
}
