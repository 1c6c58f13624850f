/* SPDX-License-Identifier: MIT */
#include "daemon/supervisor/sync.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/common/log.h"
#include "daemon/supervisor/announce.h"
#include "daemon/supervisor/place.h"
#include "daemon/supervisor/servers.h"
#include "lib/util.h"

#define SLICE_US 2000

/* ---- departures ---- */

static void depart(struct sync *s, struct tunnel *t, struct forward *f)
{
	struct listening *listening = f ? TAKE(f->listening) : NULL;

	if (departures_add(&s->departures, t->worker, t->id, f ? f->id : 0, listening) < 0)
		log_error("out of memory while closing '%s'", t->name);
	else if (f)
		t->leaving++;
	loop_defer_schedule(&s->slice);
}

/* Only now, with its sockets closed, it has left its ports. */
static void on_forward_gone(void *data, uint64_t tunnel)
{
	struct sync *s = data;
	struct tunnel *t = tunnels_find_id(s->tunnels, tunnel);

	if (t && --t->leaving == 0)
		tunnel_touch(t);
}

void sync_on_removed(struct sync *s, const struct worker *w, uint64_t tunnel, uint64_t forward)
{
	departures_acknowledge(&s->departures, w, tunnel, forward);
	loop_defer_schedule(&s->slice); /* for the sweep */
}

/* ---- one tunnel ---- */

static bool has_worker(const struct tunnel *t)
{
	return t->worker && worker_is_running(t->worker);
}

void sync_give_up(struct sync *s, struct forward *f)
{
	if (f->announced)
		depart(s, f->tunnel, f);
	else
		listening_close(TAKE(f->listening));
	f->announced = f->has_sockets = f->news = false;
}

void sync_on_listening(struct sync *s, struct forward *f)
{
	f->news = true;
	sync_tunnel(s, f->tunnel);
}

/* The server listens for it, not we. */
static bool is_remote(const struct forward *f)
{
	return f->spec->type == FORWARD_REMOTE;
}

static void open_forward(struct sync *s, struct forward *f)
{
	struct err err;

	if (is_remote(f))
		f->news |= !f->announced;
	if (f->listening || is_remote(f))
		return;
	f->listening = listening_open(s->listen, f->tunnel->name, f->spec, f);
	f->news = true;
	if (!f->listening) {
		err_nomem(&err);
		forward_enter_plain(f, FORWARD_FAILED, &err);
	}
}

/* False: some forward's sockets are not decided yet. */
static bool open_forwards(struct sync *s, struct tunnel *t)
{
	bool decided = true;
	struct forward *f;

	list_for_each (f, &t->forwards, link) {
		open_forward(s, f);
		if (!f->listening && !is_remote(f))
			continue;
		if (f->listening && listening_state(f->listening) == LISTENING_PENDING)
			decided = false;
		else if (f->news && has_worker(t))
			forward_announce(f);
	}
	return decided;
}

static void close_forwards(struct sync *s, struct tunnel *t)
{
	struct forward *f;

	list_for_each (f, &t->forwards, link) {
		if (!f->listening && !f->announced)
			continue;
		sync_give_up(s, f);
		forward_renew(f);
		forward_enter_plain(f, FORWARD_CLOSED, NULL);
	}
}

static int tell_spec(struct tunnel *t)
{
	struct err err;

	if (t->spec_told)
		return 0;
	if (worker_send(t->worker, wire_tunnel(t->id, t->spec, t->reconnect), NULL, 0) < 0) {
		err_set(&err, ERR_LIMIT, "its settings are too large for one message");
		tunnel_enter_plain(t, TUNNEL_FAILED, &err);
		return -1;
	}
	t->spec_told = true;
	t->reconnect = false;
	return 0;
}

static void tell(struct tunnel *t, const char *what)
{
	worker_send(t->worker, wire_about(what, t->id), NULL, 0);
}

static void sync_down(struct sync *s, struct tunnel *t)
{
	bool must_tell = t->start_told && has_worker(t);

	if (must_tell)
		tell(t, "stop");
	t->start_told = t->kick = t->restart = false;
	list_remove(&t->start_link);
	close_forwards(s, t);
	if (!must_tell && t->state != TUNNEL_STOPPED)
		tunnel_enter_plain(t, TUNNEL_STOPPED, NULL);
}

static void sync_one(struct sync *s, struct tunnel *t)
{
	place(s, t);
	if (has_worker(t) && tell_spec(t) < 0)
		return;
	if (!t->wanted) {
		sync_down(s, t);
		return;
	}
	if (!open_forwards(s, t) || !has_worker(t))
		return;
	if ((!t->start_told || t->kick || t->restart) && list_is_empty(&t->start_link))
		list_append(&s->starts, &t->start_link);
}

static void start_one(struct tunnel *t)
{
	if (has_worker(t))
		tell(t, t->restart && t->start_told ? "restart" : "start");
	t->start_told = has_worker(t);
	t->kick = t->restart = false;
}

/* ---- the queue ---- */

/* Does one thing; false: there is nothing left. */
static bool step(struct sync *s)
{
	struct tunnel *t;

	if (departures_tell_next(&s->departures))
		return true;
	t = list_first(&s->todo, struct tunnel, todo_link);
	if (t) {
		list_remove(&t->todo_link);
		sync_one(s, t);
		return true;
	}
	t = list_first(&s->starts, struct tunnel, start_link);
	if (t) {
		list_remove(&t->start_link);
		start_one(t);
		return true;
	}
	return false;
}

static void on_slice(void *data)
{
	struct sync *s = data;
	uint64_t until = monotonic_us() + SLICE_US;
	bool more;

	do
		more = step(s);
	while (more && monotonic_us() < until);
	if (more || !departures_sweep(&s->departures, on_forward_gone, s)) {
		loop_defer_schedule(&s->slice);
		return;
	}
	if (s->listen->pending == 0)
		s->on_settled(s->data);
}

void sync_nudge(struct sync *s)
{
	loop_defer_schedule(&s->slice);
}

bool sync_is_in_force(const struct sync *s)
{
	return list_is_empty(&s->todo) && list_is_empty(&s->starts) &&
	       departures_are_over(&s->departures) && s->listen->pending == 0;
}

void sync_tunnel(struct sync *s, struct tunnel *t)
{
	if (list_is_empty(&t->todo_link))
		list_append(&s->todo, &t->todo_link);
	loop_defer_schedule(&s->slice);
}

/* A tunnel whose worker is dead waits for the next one, with the reason. */
static void enter_dead_worker(struct tunnel *t)
{
	struct wire_tunnel_state report = { .state = TUNNEL_BACKOFF,
					    .attempt = MAX(t->attempt, 1U),
					    .route = (unsigned)t->route,
					    .retry_at_ms = worker_restart_at_ms(t->worker),
					    .error = t->worker->death };

	tunnel_enter(t, &report);
}

/* The worker's word follows; until then nobody shall read "stopped" of what is starting. */
static void enter_starting(struct tunnel *t)
{
	if (t->worker && t->worker->machine.state == WORKER_WAITING)
		enter_dead_worker(t);
	else
		tunnel_enter_plain(t, TUNNEL_CONNECTING, NULL);
}

void sync_want(struct sync *s, struct tunnel *t, bool wanted)
{
	t->wanted = wanted;
	t->kick = wanted && (!tunnel_state_is_connected(t->state) || servers_need_person(t));
	if (wanted && (t->state == TUNNEL_STOPPED || t->state == TUNNEL_FAILED))
		enter_starting(t);
	sync_tunnel(s, t);
}

void sync_restart(struct sync *s, struct tunnel *t)
{
	t->wanted = true;
	t->restart = true;
	enter_starting(t);
	sync_tunnel(s, t);
}

void sync_remove(struct sync *s, struct tunnel *t)
{
	struct forward *f;

	list_for_each (f, &t->forwards, link)
		sync_give_up(s, f);
	if (t->spec_told)
		depart(s, t, NULL);
	unplace(t);
	tunnels_remove(t);
	loop_defer_schedule(&s->slice); /* sweeps what no worker has to let go of */
}

/* ---- workers come and go ---- */

static bool has_waiting_clients(const struct tunnel *t)
{
	const struct forward *f;

	list_for_each (f, &t->forwards, link) {
		if (f->listening && listening_has_waiting(f->listening))
			return true;
	}
	return false;
}

/* Whoever has clients waiting is told, and so started, first. */
void sync_on_worker_ready(struct sync *s, struct worker *w)
{
	struct tunnel *t;

	list_for_each (t, &w->tunnels, worker_link) {
		list_remove(&t->todo_link);
		if (has_waiting_clients(t))
			list_prepend(&s->todo, &t->todo_link);
		else
			list_append(&s->todo, &t->todo_link);
	}
	loop_defer_schedule(&s->slice);
}

static void lose_worker(struct tunnel *t)
{
	struct forward *f;

	t->spec_told = t->start_told = false;
	servers_forget(t);
	list_remove(&t->start_link);
	tunnel_fold_counters(t);
	list_for_each (f, &t->forwards, link) {
		f->announced = f->has_sockets = false;
		f->news = true;
		forward_enter_plain(f, FORWARD_CLOSED, NULL);
	}
	if (t->wanted)
		enter_dead_worker(t);
	else if (t->state != TUNNEL_STOPPED)
		tunnel_enter_plain(t, TUNNEL_STOPPED, NULL);
}

void sync_on_worker_dead(struct sync *s, struct worker *w, const struct err *why)
{
	struct tunnel *t;

	departures_on_worker_dead(&s->departures, w);
	loop_defer_schedule(&s->slice);
	list_for_each (t, &w->tunnels, worker_link) {
		if (why)
			lose_worker(t);
		else
			unplace(t);
	}
}

void sync_init(struct sync *s, struct loop *loop, struct tunnels *tunnels,
	       struct listen_service *listen, void (*on_settled)(void *data), void *data)
{
	*s = (struct sync){
		.tunnels = tunnels, .listen = listen, .on_settled = on_settled, .data = data
	};
	list_init(&s->todo);
	list_init(&s->starts);
	departures_init(&s->departures, listen);
	loop_defer_open(&s->slice, loop, on_slice, s);
}

void sync_fini(struct sync *s)
{
	departures_fini(&s->departures);
	loop_defer_close(&s->slice);
}
