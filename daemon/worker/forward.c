/* SPDX-License-Identifier: MIT */
#include "daemon/worker/forward.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/worker/session.h"
#include "lib/util.h"

#define OPENING_MAX 256 /* connections whose far end has not answered */
#define OPENING_ANYWHERE_MAX 4096 /* the same of a proxy: one dead target must not block others */
#define HANDSHAKES_MAX 128 /* of those: proxies' clients that have not said where they want to go */
#define REAP_MS 1000
#define SWEEP_MS                                                                                   \
	30000 /* for open connections: a socket nobody waits at tells of a reset only when asked */

/* ---- state ---- */

void forward_describe(const struct forward *f, struct wire_forward_state *ret)
{
	*ret = (struct wire_forward_state){ .tunnel = f->tunnel,
					    .forward = f->id,
					    .state = f->kind->state(f),
					    .error = *forward_error(f) };
	if (f->kind->describe)
		f->kind->describe(f, ret);
}

void forward_tell(struct forward *f)
{
	f->told = f->kind->state(f);
	if (!f->retired)
		f->ops->on_change(f->data, f);
}

void forward_tell_if_changed(struct forward *f)
{
	if (f->told != f->kind->state(f))
		forward_tell(f);
}

static bool is_news(const struct err *old, const struct err *err)
{
	if (!err)
		return old->code != ERR_NONE;
	return old->code != err->code || strcmp(old->msg, err->msg) != 0;
}

void forward_set_setup_error(struct forward *f, const struct err *err)
{
	bool news = is_news(&f->setup_error, err);

	f->setup_error = err ? *err : (struct err){ 0 };
	if (news)
		forward_tell(f);
	else
		forward_tell_if_changed(f);
}

static void set_serve_error(struct forward *f, const struct err *err)
{
	if (!is_news(&f->serve_error, err))
		return;
	f->serve_error = err ? *err : (struct err){ 0 };
	forward_tell(f);
}

const struct err *forward_error(const struct forward *f)
{
	return f->setup_error.code != ERR_NONE ? &f->setup_error : &f->serve_error;
}

/* ---- connections ---- */

bool forward_has_room(const struct forward *f)
{
	uint64_t limit = f->spec.max_connections;
	unsigned opening_max =
		f->spec.target.kind == END_PROXY ? OPENING_ANYWHERE_MAX : OPENING_MAX;

	return f->home.session && f->home.opening < opening_max &&
	       (limit == 0 || f->home.counters.connections < limit) &&
	       session_member_count(f->home.session) < SESSION_MEMBERS_MAX;
}

static void reap_later(struct forward *f)
{
	uint64_t due = loop_now_ms(f->parts->loop) + REAP_MS;

	if (!loop_timer_is_set(&f->reap_timer) || f->reap_timer.due_ms > due)
		loop_timer_set(&f->reap_timer, REAP_MS);
}

void forward_begun(struct forward *f)
{
	reap_later(f);
	report_want_stats(f->parts->report);
}

static void on_opening(void *data)
{
	reap_later(data);
}

/* Whoever keeps silent must not keep others out: when there are too many, the oldest goes. */
void forward_limit_handshakes(struct forward *f)
{
	struct connection *c, *oldest = NULL;
	unsigned count = 0;

	if (f->home.opening < HANDSHAKES_MAX)
		return;
	for (struct list *link = f->home.list.next; link != &f->home.list; link = link->next) {
		c = connection_from_link(link);
		if (connection_state(c) != CONNECTION_HANDSHAKE)
			continue;
		oldest = oldest ? oldest : c;
		count++;
	}
	if (count >= HANDSHAKES_MAX)
		connection_end(oldest, true);
}

static void note_room(struct forward *f)
{
	if (!f->retired && f->kind->room)
		f->kind->room(f);
}

/* To a forward with one target, whatever keeps connections from it is one thing. */
static void note_target(struct forward *f, const struct err *err)
{
	struct err why = *err;

	if (err->code != ERR_PROHIBITED && err->code != ERR_UNSUPPORTED)
		why.code = ERR_TARGET;
	set_serve_error(f, &why);
}

/* What clients choose says little about the forward: only that nothing is permitted to any. */
static void note_choice(struct forward *f, const struct err *err)
{
	if (err->code == ERR_PROHIBITED && !f->has_served)
		set_serve_error(f, err);
}

static void note_reached(struct forward *f, const struct err *err)
{
	if (!err) {
		f->has_served = true;
		set_serve_error(f, NULL);
	} else if (f->spec.target.kind == END_PROXY) {
		note_choice(f, err);
	} else if (f->id != 0) {
		note_target(f, err);
	}
}

static void on_reached(void *data, struct connection *c, const struct err *err)
{
	struct forward *f = data;

	note_reached(f, err);
	if (f->kind->reached)
		f->kind->reached(f, c, err);
	note_room(f);
}

static void free_if_done(struct forward *f)
{
	if (!f->retired || f->listens || !list_is_empty(&f->home.list))
		return;
	f->ops->on_gone(f->data, f);
	forward_free(f);
}

static void on_connection_end(void *data, struct connection *c)
{
	struct forward *f = data;

	report_want_stats(f->parts->report);
	if (f->kind->ended)
		f->kind->ended(f, c);
	note_room(f);
	if (list_is_empty(&f->home.list))
		f->ops->on_idle(f->data, f);
	free_if_done(f);
}

static const struct connection_ops connection_ops = {
	.on_opening = on_opening,
	.on_reached = on_reached,
	.on_end = on_connection_end,
};

/* A target that answers nobody keeps its clients for minutes: those that gave up give back their
 * place. */
static void on_reap(void *data)
{
	struct forward *f = data;
	struct connection *c;
	uint64_t now = loop_now_ms(f->parts->loop);
	bool all = now - f->swept_ms >= SWEEP_MS;

	f->swept_ms = all ? now : f->swept_ms;
	for (struct list *link = f->home.list.next, *next; link != &f->home.list; link = next) {
		c = connection_from_link(link);
		next = link->next;
		connection_reap(c, all);
	}
	if (!list_is_empty(&f->home.list) && !loop_timer_is_set(&f->reap_timer))
		loop_timer_set(&f->reap_timer, f->home.opening > 0 || f->spec.idle_timeout_ms > 0
						       ? REAP_MS
						       : SWEEP_MS);
}

/* ---- what its tunnel says ---- */

void forward_serve(struct forward *f, struct session *s)
{
	f->home.session = s;
	f->has_served = false;
	err_clear(&f->serve_error);
	if (f->kind->serve)
		f->kind->serve(f);
	forward_tell_if_changed(f);
}

void forward_hold(struct forward *f)
{
	struct session *s = TAKE(f->home.session);

	err_clear(&f->serve_error);
	if (f->kind->hold)
		f->kind->hold(f, s);
	forward_tell_if_changed(f);
}

void forward_refuse(struct forward *f)
{
	struct session *s = TAKE(f->home.session);

	err_clear(&f->serve_error);
	if (f->kind->refuse)
		f->kind->refuse(f, s);
	forward_tell_if_changed(f);
}

void forward_take_leave(struct forward *f)
{
	if (f->home.session && f->kind->take_leave)
		f->kind->take_leave(f);
}

void forward_change_server(struct forward *f)
{
	if (f->kind->change_server)
		f->kind->change_server(f);
}

bool forward_is_waiting(const struct forward *f)
{
	return f->kind->is_waiting && f->kind->is_waiting(f);
}

/* ---- life ---- */

int forward_init(struct forward *f, const struct forward_kind *kind,
		 const struct worker_parts *parts, const struct wire_forward *about,
		 struct config_forward *spec, const struct forward_ops *ops, void *data,
		 struct err *err)
{
	f->parts = parts;
	f->kind = kind;
	f->tunnel = about->tunnel;
	f->id = about->forward;
	f->ops = ops;
	f->data = data;
	list_init(&f->link);
	if (loop_timer_open(&f->reap_timer, parts->loop, on_reap, f) < 0)
		return err_nomem(err);
	f->spec = *spec;
	*spec = (struct config_forward){ 0 };
	connection_home_init(&f->home, parts, &f->spec, f->id, &connection_ops, f);
	return 0;
}

struct forward *forward_new(const struct worker_parts *parts, const struct wire_forward *about,
			    struct config_forward *spec, unsigned hold_ms,
			    const struct forward_ops *ops, void *data, struct err *err)
{
	struct forward *f;

	if (spec->type == FORWARD_REMOTE)
		f = forward_remote_new(parts, about, spec, ops, data, err);
	else
		f = forward_local_new(parts, about, spec, hold_ms, ops, data, err);
	config_forward_fini(spec); /* empty, if it was taken */
	return f;
}

void forward_free(struct forward *f)
{
	if (f->retired && f->listens)
		report_forward_removed(f->parts->report, f->tunnel, f->id);
	f->retired = f->listens = true; /* nobody frees it a second time */
	connection_home_end_all(&f->home, false);
	f->kind->free(f);
	loop_timer_close(&f->reap_timer);
	list_remove(&f->link);
	config_forward_fini(&f->spec);
	loop_bury(f->parts->loop, &f->grave, free, f);
}

void forward_stopped_listening(struct forward *f)
{
	f->listens = false;
	report_forward_removed(f->parts->report, f->tunnel, f->id);
	free_if_done(f);
}

void forward_retire(struct forward *f)
{
	f->retired = f->listens = true;
	f->kind->retire(f, TAKE(f->home.session));
}

struct forward *forward_from_link(struct list *link)
{
	return list_entry(link, struct forward, link);
}
