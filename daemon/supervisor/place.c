/* SPDX-License-Identifier: MIT */
#include "daemon/supervisor/place.h"

#include "daemon/common/log.h"
#include "lib/util.h"

static void enter(struct tunnel *t, struct worker *w)
{
	t->worker = w;
	list_append(&w->tunnels, &t->worker_link);
	w->tunnel_count++;
}

void unplace(struct tunnel *t)
{
	if (!t->worker)
		return;
	list_remove(&t->worker_link);
	t->worker->tunnel_count--;
	t->worker = NULL;
}

/* The first jump on its best route, if its session may be shared. */
static const struct connection_settings *shared_jump(const struct tunnel *t)
{
	const struct config_route *route = &t->spec->routes[0];
	const struct connection_settings *first = &route->hops[0].connection;

	return route->hop_count > 1 && first->share ? first : NULL;
}

/* The worker of the oldest tunnel through the same jump, which may be t itself: all of them find the
 * same. NULL: there is none. */
static struct worker *company_of(const struct tunnels *ts, const struct tunnel *t)
{
	const struct connection_settings *jump = shared_jump(t), *other;

	for (size_t i = 0; jump && i < ts->count; i++) {
		struct worker *w = ts->by_id[i]->worker;

		if (!w || worker_is_leaving(w))
			continue;
		other = shared_jump(ts->by_id[i]);
		if (other && connection_settings_equal(other, jump))
			return w;
	}
	return NULL;
}

/* What a server listens on for the session of one worker is not free for that of another until it has
 * been taken back. */
static bool may_move(const struct tunnel *t)
{
	const struct forward *f;

	if (!t->reconnect || t->spec_told || !t->wanted)
		return false;
	list_for_each (f, &t->forwards, link) {
		if (f->spec->type == FORWARD_REMOTE)
			return false;
	}
	return true;
}

/* The worker it leaves knows it by its old number, and what it still says about that is of no interest.
 * The listening sockets stay ours, and so do the clients that wait at them. */
static void move(struct sync *s, struct tunnel *t, struct worker *to)
{
	struct forward *f;

	if (departures_add(&s->departures, t->worker, t->id, 0, NULL) < 0)
		return; /* it is as good where it is */
	log_debug("%s: moves from worker %u to %u", t->name, t->worker->index, to->index);
	tunnel_fold_counters(t);
	tunnel_renew(t);
	list_for_each (f, &t->forwards, link) {
		struct listening *listening = f->listening;

		forward_renew(f);
		f->listening = listening;
		f->news = true;
		forward_enter_plain(f, FORWARD_CLOSED, NULL);
	}
	unplace(t);
	enter(t, to);
	tunnel_enter_plain(t, TUNNEL_CONNECTING, NULL);
}

void place(struct sync *s, struct tunnel *t)
{
	struct worker *w = company_of(s->tunnels, t);
	struct err err;

	if (t->worker && w && w != t->worker && may_move(t))
		move(s, t, w);
	if (t->worker || !t->wanted)
		return;
	w = w ? w : workers_place(s->workers);
	if (w) {
		enter(t, w);
		return;
	}
	err_nomem(&err);
	tunnel_enter_plain(t, TUNNEL_FAILED, &err);
}
