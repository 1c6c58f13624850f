/* SPDX-License-Identifier: MIT */
/*
 * Methods that start and stop tunnels: Up, Down, Restart. Called with `more` they go on telling how
 * the tunnels fare until all have settled. What changes faster than the client reads is told as it
 * is when there is room, not once for each change in between.
 */
#include <stdlib.h>

#include "daemon/supervisor/commands.h"
#include "daemon/supervisor/snapshot.h"
#include "lib/util.h"

#define PER_STEP 16 /* replies */

struct watched {
	uint64_t id;
	bool dirty; /* something to tell */
	bool settled;
};

/* A caller that waits for its tunnels. */
struct vigil {
	struct supervisor *supervisor;
	struct call *call;
	bool (*is_settled)(const struct tunnel *t);
	struct tunnels_observer observer;
	struct watched *items; /* sorted by id */
	size_t count, dirty, unsettled;
	size_t next; /* where to look for the next dirty one */
};

static void vigil_free(void *data)
{
	struct vigil *v = data;

	list_remove(&v->observer.link);
	free(v->items);
	free(v);
}

static struct watched *find_watched(struct vigil *v, uint64_t id)
{
	size_t low = 0, high = v->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (v->items[middle].id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low < v->count && v->items[low].id == id ? &v->items[low] : NULL;
}

static void mark(struct vigil *v, struct watched *w, bool dirty, bool settled)
{
	v->dirty += dirty - w->dirty;
	v->unsettled += w->settled - settled;
	w->dirty = dirty;
	w->settled = settled;
}

static void on_event(void *data, struct tunnel *t, enum tunnel_event event)
{
	struct vigil *v = data;
	struct watched *w = find_watched(v, t->id);

	if (!w)
		return;
	if (event == TUNNEL_EV_REMOVED)
		mark(v, w, false, true);
	else
		mark(v, w, true, v->is_settled(t));
	call_wake(v->call);
}

/* The next one there is something to tell of; there is one. */
static struct watched *next_dirty(struct vigil *v)
{
	while (!v->items[v->next].dirty)
		v->next = (v->next + 1) % v->count;
	return &v->items[v->next];
}

/* Takes the reference to reply. */
static void end_vigil(struct vigil *v, json_t *reply)
{
	struct call *call = v->call;

	vigil_free(v);
	call_reply(call, reply);
}

static bool vigil_step(struct call *call, void *data)
{
	struct vigil *v = data;
	struct client *client = call->client;

	for (int i = 0; i < PER_STEP && v->dirty > 0 && call_has_room(call); i++) {
		struct watched *w = next_dirty(v);
		struct tunnel *t = tunnels_find_id(&v->supervisor->tunnels, w->id);
		json_t *reply = commands_snapshots(&t, 1);

		mark(v, w, false, w->settled);
		if (v->dirty == 0 && v->unsettled == 0) {
			end_vigil(v, reply);
			return false;
		}
		call_continue(call, reply);
		if (client->closed)
			return false;
	}
	if (v->dirty == 0 && v->unsettled == 0) {
		end_vigil(v, commands_snapshots(NULL, 0)); /* the last one was removed */
		return false;
	}
	return v->dirty > 0;
}

/* -1: out of memory. */
static int keep_vigil(struct supervisor *s, struct call *call, struct tunnel *const *tunnels,
		      size_t count, bool (*is_settled)(const struct tunnel *t))
{
	struct vigil *v = calloc(1, sizeof(*v));

	if (!v)
		return -1;
	*v = (struct vigil){ .supervisor = s, .call = call, .is_settled = is_settled };
	v->items = calloc(MAX(count, 1U), sizeof(*v->items));
	if (!v->items) {
		free(v);
		return -1;
	}
	v->count = v->dirty = count;
	for (size_t i = 0; i < count; i++) {
		v->items[i] = (struct watched){ .id = tunnels[i]->id,
						.dirty = true,
						.settled = is_settled(tunnels[i]) };
		v->unsettled += !v->items[i].settled;
	}
	v->observer = (struct tunnels_observer){ .on_event = on_event, .data = v };
	tunnels_observe(&s->tunnels, &v->observer);
	call_stream(call, vigil_step, vigil_free, v);
	return 0;
}

/* ---- the three verbs ---- */

/* Nothing more comes by itself, or somebody else has stopped it meanwhile. */
static bool is_up_settled(const struct tunnel *t)
{
	return tunnel_state_is_settled(t->state) && (t->state != TUNNEL_STOPPED || !t->wanted);
}

/* Stopped, and its ports are free; or somebody else has started it meanwhile. */
static bool is_down_settled(const struct tunnel *t)
{
	return t->wanted || (t->state == TUNNEL_STOPPED && t->leaving == 0);
}

static void start(struct supervisor *s, struct tunnel *t)
{
	sync_want(&s->sync, t, true);
}

static void stop(struct supervisor *s, struct tunnel *t)
{
	sync_want(&s->sync, t, false);
}

static void restart(struct supervisor *s, struct tunnel *t)
{
	sync_restart(&s->sync, t);
}

static void steer(struct supervisor *s, struct call *call,
		  void (*act)(struct supervisor *s, struct tunnel *t),
		  bool (*is_settled)(const struct tunnel *t))
{
	size_t count;
	CLEANUP(freep) struct tunnel **found = commands_named_tunnels(s, call, true, &count);
	struct err err;

	if (!found)
		return;
	for (size_t i = 0; i < count; i++)
		act(s, found[i]);
	if (!call->request.more) {
		commands_reply_list(s, call, found, count);
	} else if (keep_vigil(s, call, found, count, is_settled) < 0) {
		err_nomem(&err);
		commands_fail(call, &err, NULL);
	}
}

void command_up(struct supervisor *s, struct call *call)
{
	steer(s, call, start, is_up_settled);
}

void command_down(struct supervisor *s, struct call *call)
{
	steer(s, call, stop, is_down_settled);
}

void command_restart(struct supervisor *s, struct call *call)
{
	steer(s, call, restart, is_up_settled);
}
