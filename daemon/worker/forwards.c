/* SPDX-License-Identifier: MIT */
#include "daemon/worker/forwards.h"

#include <stdlib.h>
#include <string.h>

/* f may leave the list in the body. */
#define each_in(f, head)                                                                           \
	for (struct list *_link = (head)->next, *_next = _link->next;                              \
	     _link != (head) && ((f) = forward_from_link(_link), 1);                               \
	     _link = _next, _next = _link->next)

#define each_forward(f, fs) each_in (f, &(fs)->all)

void forwards_init(struct forwards *fs)
{
	*fs = (struct forwards){ 0 };
	list_init(&fs->all);
	list_init(&fs->retired);
}

void forwards_free(struct forwards *fs)
{
	struct forward *f;

	each_forward (f, fs)
		forward_free(f);
	each_in (f, &fs->retired)
		forward_free(f);
}

void forwards_add(struct forwards *fs, struct forward *f)
{
	list_append(&fs->all, &f->link);
}

void forwards_retire(struct forwards *fs, struct forward *f)
{
	list_remove(&f->link);
	list_append(&fs->retired, &f->link);
	forward_retire(f);
}

static void add_counters(struct wire_counters *sum, const struct wire_counters *c)
{
	sum->bytes_in += c->bytes_in;
	sum->bytes_out += c->bytes_out;
	sum->connections += c->connections;
	sum->connections_total += c->connections_total;
}

void forwards_gone(struct forwards *fs, const struct forward *f)
{
	add_counters(&fs->past, &f->home.counters);
}

struct forward *forwards_find(const struct forwards *fs, uint64_t id)
{
	struct forward *f;

	each_forward (f, fs) {
		if (f->id == id)
			return f;
	}
	return NULL;
}

/* ---- what the tunnel tells ---- */

static bool lets_server_choose(const struct forward *f)
{
	return f->spec.type == FORWARD_REMOTE && f->spec.listen.port == 0;
}

void forwards_serve(struct forwards *fs, struct session *s)
{
	struct forward *f;

	fs->session = s;
	fs->others_wait = true;
	each_forward (f, fs) {
		if (lets_server_choose(f))
			forward_serve(f, s);
	}
	forwards_go_on(fs);
}

void forwards_go_on(struct forwards *fs)
{
	struct forward *f;

	if (!fs->session || !fs->others_wait)
		return;
	each_forward (f, fs) {
		if (lets_server_choose(f) && f->told == FORWARD_OPENING)
			return;
	}
	fs->others_wait = false;
	each_forward (f, fs) {
		if (!lets_server_choose(f))
			forward_serve(f, fs->session);
	}
}

bool forwards_is_turn_of(const struct forwards *fs, const struct forward *f)
{
	return !fs->others_wait || lets_server_choose(f);
}

void forwards_hold(struct forwards *fs)
{
	struct forward *f;

	fs->session = NULL;
	each_forward (f, fs)
		forward_hold(f);
	each_in (f, &fs->retired)
		forward_hold(f);
}

void forwards_refuse(struct forwards *fs)
{
	struct forward *f;

	fs->session = NULL;
	each_forward (f, fs)
		forward_refuse(f);
	each_in (f, &fs->retired)
		forward_hold(f);
}

void forwards_take_leave(struct forwards *fs)
{
	struct forward *f;

	each_forward (f, fs)
		forward_take_leave(f);
}

void forwards_change_server(struct forwards *fs)
{
	struct forward *f;

	each_forward (f, fs)
		forward_change_server(f);
}

void forwards_set_hold(struct forwards *fs, unsigned hold_ms)
{
	struct forward *f;

	each_forward (f, fs)
		forward_set_hold(f, hold_ms);
}

void forwards_end_connections(struct forwards *fs, bool reset)
{
	struct forward *f;

	/* Direct ones (id 0) have clients who ask how it ended: not by their own doing. */
	each_forward (f, fs)
		connection_home_end_all(&f->home, reset || f->id == 0);
	each_in (f, &fs->retired)
		connection_home_end_all(&f->home, reset);
}

/* ---- what it wants to know ---- */

bool forwards_have_waiting(const struct forwards *fs)
{
	struct forward *f;

	each_forward (f, fs) {
		if (forward_is_waiting(f))
			return true;
	}
	return false;
}

bool forwards_have_connections(const struct forwards *fs)
{
	struct forward *f;

	each_forward (f, fs) {
		if (!list_is_empty(&f->home.list))
			return true;
	}
	each_in (f, &fs->retired) {
		if (!list_is_empty(&f->home.list))
			return true;
	}
	return false;
}

bool forwards_are_opening(const struct forwards *fs)
{
	struct forward *f;

	if (fs->others_wait)
		return true;
	each_forward (f, fs) {
		if (f->told == FORWARD_OPENING)
			return true;
	}
	return false;
}

const struct err *forwards_failure(const struct forwards *fs)
{
	struct forward *f;

	each_forward (f, fs) {
		if (f->told == FORWARD_FAILED)
			return forward_error(f);
	}
	return NULL;
}

const struct err *forwards_setup_failure(const struct forwards *fs)
{
	struct forward *f;

	each_forward (f, fs) {
		if (f->setup_error.code != ERR_NONE)
			return &f->setup_error;
	}
	return NULL;
}

int forwards_count(const struct forwards *fs, struct wire_stats *stats)
{
	struct forward *f;
	size_t n = 0;

	each_forward (f, fs)
		n++;
	stats->forwards = calloc(n + 1, sizeof(*stats->forwards));
	if (!stats->forwards)
		return -1;
	each_forward (f, fs) {
		const struct wire_counters *c = &f->home.counters;

		if (f->id != 0)
			stats->forwards[stats->forward_count++] =
				(struct wire_forward_stats){ f->id, *c };
		add_counters(&stats->counters, c);
	}
	each_in (f, &fs->retired)
		add_counters(&stats->counters, &f->home.counters);
	add_counters(&stats->counters, &fs->past);
	return 0;
}

static struct connection *find_in(const struct list *head, uint64_t id)
{
	struct connection *c = NULL;
	struct forward *f;

	each_in (f, head) {
		c = connection_home_find(&f->home, id);
		if (c)
			break;
	}
	return c;
}

struct connection *forwards_find_connection(const struct forwards *fs, uint64_t id)
{
	struct connection *c = find_in(&fs->all, id);

	return c ? c : find_in(&fs->retired, id);
}

/* Keeps the smallest ids, in order. */
static void insert(struct wire_connections *to, const struct connection *c, uint64_t after)
{
	struct wire_connection found;
	size_t slot;

	connection_describe(c, &found);
	if (found.id <= after)
		return;
	for (slot = to->count; slot > 0 && to->items[slot - 1].id > found.id; slot--)
		;
	if (to->count == WIRE_CONNECTIONS_MAX)
		to->more = true;
	if (slot == WIRE_CONNECTIONS_MAX)
		return;
	to->count += to->count < WIRE_CONNECTIONS_MAX;
	memmove(&to->items[slot + 1], &to->items[slot],
		(to->count - slot - 1) * sizeof(to->items[0]));
	to->items[slot] = found;
}

static void list_in(const struct list *head, uint64_t after, struct wire_connections *ret)
{
	struct forward *f;

	each_in (f, head) {
		for (struct list *link = f->home.list.next; link != &f->home.list;
		     link = link->next)
			insert(ret, connection_from_link(link), after);
	}
}

void forwards_list(const struct forwards *fs, uint64_t after, struct wire_connections *ret)
{
	ret->count = 0;
	ret->more = false;
	list_in(&fs->all, after, ret);
	list_in(&fs->retired, after, ret);
}
