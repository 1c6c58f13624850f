/* SPDX-License-Identifier: MIT */
#include "daemon/supervisor/tunnels.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/supervisor/kept_error.h"
#include "daemon/supervisor/servers.h"
#include "lib/util.h"

void tunnels_init(struct tunnels *ts)
{
	*ts = (struct tunnels){ 0 };
	list_init(&ts->observers);
}

void tunnels_observe(struct tunnels *ts, struct tunnels_observer *o)
{
	list_append(&ts->observers, &o->link);
}

static void tell(struct tunnel *t, enum tunnel_event event)
{
	struct tunnels_observer *o;

	list_for_each (o, &t->owner->observers, link)
		o->on_event(o->data, t, event);
}

/* ---- finding ---- */

/* Index of the first tunnel whose name is not before name. */
static size_t lower_bound(const struct tunnels *ts, const char *name)
{
	size_t low = 0, high = ts->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(ts->by_name[middle]->name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static size_t lower_bound_id(const struct tunnels *ts, uint64_t id)
{
	size_t low = 0, high = ts->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (ts->by_id[middle]->id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct tunnel *tunnels_find(const struct tunnels *ts, const char *name)
{
	size_t i = lower_bound(ts, name);

	return i < ts->count && strcmp(ts->by_name[i]->name, name) == 0 ? ts->by_name[i] : NULL;
}

struct tunnel *tunnels_find_id(const struct tunnels *ts, uint64_t id)
{
	size_t i = lower_bound_id(ts, id);

	return i < ts->count && ts->by_id[i]->id == id ? ts->by_id[i] : NULL;
}

struct tunnel *tunnels_after(const struct tunnels *ts, const char *name)
{
	size_t i = name ? lower_bound(ts, name) : 0;

	if (name && i < ts->count && strcmp(ts->by_name[i]->name, name) == 0)
		i++;
	return i < ts->count ? ts->by_name[i] : NULL;
}

/* ---- forwards ---- */

struct forward *forward_new(struct tunnel *t, const struct config_forward *spec)
{
	struct forward *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->id = ++t->owner->last_id;
	f->tunnel = t;
	f->spec = spec;
	list_append(&t->forwards, &f->link);
	return f;
}

void forward_free(struct forward *f)
{
	list_remove(&f->link);
	free(f->error);
	free(f->note);
	free(f);
}

struct forward *tunnel_find_forward(const struct tunnel *t, uint64_t id)
{
	struct forward *f;

	list_for_each (f, &t->forwards, link) {
		if (f->id == id)
			return f;
	}
	return NULL;
}

void forward_renew(struct forward *f)
{
	f->id = ++f->tunnel->owner->last_id;
	f->listening = NULL;
	f->announced = f->has_sockets = f->news = false;
}

/* ---- tunnels ---- */

static int reserve(struct tunnels *ts)
{
	size_t capacity = ts->capacity ? ts->capacity * 2 : 16;
	struct tunnel **by_name, **by_id;

	if (ts->count < ts->capacity)
		return 0;
	by_name = realloc(ts->by_name, capacity * sizeof(*by_name));
	if (by_name)
		ts->by_name = by_name;
	by_id = realloc(ts->by_id, capacity * sizeof(*by_id));
	if (by_id)
		ts->by_id = by_id;
	if (!by_name || !by_id)
		return -1;
	ts->capacity = capacity;
	return 0;
}

static void tunnel_free(struct tunnel *t)
{
	struct forward *f;

	list_for_each (f, &t->forwards, link)
		forward_free(f);
	list_remove(&t->worker_link);
	list_remove(&t->todo_link);
	list_remove(&t->start_link);
	history_fini(&t->history);
	shown_keys_fini(&t->shown_keys);
	free(t->session);
	free(t->jumps);
	servers_forget(t);
	free(t->error);
	free(t->name);
	free(t);
}

static struct tunnel *tunnel_new(struct tunnels *ts, const struct config_tunnel *spec)
{
	struct tunnel *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->owner = ts;
	t->id = ++ts->last_id;
	t->spec = spec;
	t->rtt_us = -1;
	t->since_ms = realtime_ms();
	list_init(&t->forwards);
	list_init(&t->worker_link);
	list_init(&t->todo_link);
	list_init(&t->start_link);
	t->name = strdup(spec->name);
	if (!t->name)
		goto fail;
	for (size_t i = 0; i < spec->forward_count; i++) {
		if (!forward_new(t, &spec->forwards[i]))
			goto fail;
	}
	return t;
fail:
	tunnel_free(t);
	return NULL;
}

struct tunnel *tunnels_add(struct tunnels *ts, const struct config_tunnel *spec)
{
	struct tunnel *t = reserve(ts) == 0 ? tunnel_new(ts, spec) : NULL;
	size_t i;

	if (!t)
		return NULL;
	i = lower_bound(ts, spec->name);
	memmove(&ts->by_name[i + 1], &ts->by_name[i], (ts->count - i) * sizeof(t));
	ts->by_name[i] = t;
	ts->by_id[ts->count++] = t; /* ids only grow */
	ts->in_state[t->state]++;
	return t;
}

void tunnels_remove(struct tunnel *t)
{
	struct tunnels *ts = t->owner;
	size_t i = lower_bound(ts, t->name), j = lower_bound_id(ts, t->id);

	tell(t, TUNNEL_EV_REMOVED);
	ts->count--;
	memmove(&ts->by_name[i], &ts->by_name[i + 1], (ts->count - i) * sizeof(t));
	memmove(&ts->by_id[j], &ts->by_id[j + 1], (ts->count - j) * sizeof(t));
	ts->in_state[t->state]--;
	tunnel_free(t);
}

void tunnel_renew(struct tunnel *t)
{
	struct tunnels *ts = t->owner;
	size_t i = lower_bound_id(ts, t->id);

	memmove(&ts->by_id[i], &ts->by_id[i + 1], (ts->count - i - 1) * sizeof(t));
	ts->by_id[ts->count - 1] = t; /* ids only grow */
	t->id = ++ts->last_id;
	t->spec_told = t->start_told = t->reconnect = false;
	t->leaving = 0; /* those who would acknowledge know it by the old one */
	list_remove(&t->start_link);
}

void tunnels_fini(struct tunnels *ts)
{
	for (size_t i = 0; i < ts->count; i++)
		tunnel_free(ts->by_name[i]);
	free(ts->by_name);
	free(ts->by_id);
	*ts = (struct tunnels){ 0 };
}

/* ---- what is reported ---- */

static void keep_session(struct tunnel *t, const struct wire_session *now)
{
	if (!now->address[0])
		return;
	if (!t->session)
		t->session = malloc(sizeof(*t->session));
	if (t->session)
		*t->session = *now;
}

/* The worker's idea of the route may be an older one: then nothing is known. */
static void keep_jumps(struct tunnel *t, const struct wire_tunnel_state *report)
{
	size_t size = report->jump_count * sizeof(*t->jumps);

	if (report->jump_count != t->jump_count) {
		free(t->jumps);
		t->jumps = size > 0 ? malloc(size) : NULL;
		t->jump_count = t->jumps ? report->jump_count : 0;
	}
	if (t->jump_count > 0)
		memcpy(t->jumps, report->jumps, size);
}

void tunnel_enter(struct tunnel *t, const struct wire_tunnel_state *report)
{
	bool moved = t->state != report->state;
	bool other = moved || !kept_error_is(t->error, &report->error);

	t->owner->in_state[t->state]--;
	t->owner->in_state[report->state]++;
	t->state = report->state;
	t->attempt = report->attempt;
	t->route = MIN(report->route, t->spec->route_count - 1);
	t->retry_at_ms = report->state == TUNNEL_BACKOFF ? report->retry_at_ms : 0;
	kept_error_set(&t->error, &report->error);
	keep_session(t, &report->session);
	keep_jumps(t, report);
	if (!tunnel_state_is_connected(t->state))
		t->rtt_us = -1;
	if (t->state == TUNNEL_STOPPED)
		servers_forget(t);
	if (moved)
		t->since_ms = realtime_ms();
	if (other)
		history_add(&t->history, realtime_ms(), t->state, t->error);
	tell(t, other ? TUNNEL_EV_STATE : TUNNEL_EV_DETAIL);
}

void tunnel_enter_plain(struct tunnel *t, enum tunnel_state state, const struct err *error)
{
	struct wire_tunnel_state report = { .state = state,
					    .attempt = t->attempt,
					    .route = (unsigned)t->route };

	if (error)
		report.error = *error;
	tunnel_enter(t, &report);
}

static void keep_note(char **kept, const char *now)
{
	free(*kept);
	*kept = now[0] ? strdup(now) : NULL;
}

/* Only a server that was asked to choose has a say in it. */
static uint16_t port_of(const struct config_forward *spec, uint16_t reported)
{
	if (spec->type != FORWARD_REMOTE || reported == 0)
		return 0;
	return spec->listen.port ? spec->listen.port : reported;
}

bool forward_enter(struct forward *f, const struct wire_forward_state *report)
{
	uint16_t port = port_of(f->spec, report->port);
	const char *note = f->note ? f->note : "";

	if (f->state == report->state && kept_error_is(f->error, &report->error) &&
	    f->port == port && strcmp(note, report->note) == 0)
		return false;
	f->state = report->state;
	f->port = port;
	if (port)
		f->bound_port = port;
	kept_error_set(&f->error, &report->error);
	keep_note(&f->note, report->note);
	tell(f->tunnel, TUNNEL_EV_DETAIL);
	return true;
}

bool forward_enter_plain(struct forward *f, enum forward_state state, const struct err *error)
{
	struct wire_forward_state report = { .state = state };

	if (error)
		report.error = *error;
	return forward_enter(f, &report);
}

/* A reload may have left fewer. */
const struct config_route *tunnel_route(const struct tunnel *t)
{
	return &t->spec->routes[MIN(t->route, t->spec->route_count - 1)];
}

const struct connection_settings *tunnel_server(const struct tunnel *t)
{
	const struct config_route *route = tunnel_route(t);

	return &route->hops[route->hop_count - 1].connection;
}

void tunnel_touch(struct tunnel *t)
{
	tell(t, TUNNEL_EV_DETAIL);
}

static void fold(struct wire_counters *before, struct wire_counters *counters)
{
	before->bytes_in += counters->bytes_in;
	before->bytes_out += counters->bytes_out;
	before->connections_total += counters->connections_total;
	*counters = (struct wire_counters){ 0 };
}

void tunnel_fold_counters(struct tunnel *t)
{
	struct forward *f;

	fold(&t->before, &t->counters);
	list_for_each (f, &t->forwards, link)
		fold(&f->before, &f->counters);
}
