/* SPDX-License-Identifier: MIT */
/*
 * What is done with a tunnel's session, while there is one: its forwards, its connections, its
 * counters.
 */
#include <string.h>

#include "daemon/worker/forward_direct.h"
#include "daemon/worker/tunnel_parts.h"
#include "lib/util.h"

#define STATS_FORWARDS_MAX 512 /* in one message */

/* ---- forwards ---- */

static void on_forward_change(void *data, struct forward *f)
{
	struct tunnel *t = data;
	struct wire_forward_state state;

	if (f->id == 0)
		return;
	forward_describe(f, &state);
	report_forward(t->parts->report, &state);
	loop_defer_schedule(&t->settle);
}

static void on_forward_waiting(void *data, struct forward *f)
{
	tunnel_round_hurry(data);
}

static void on_forward_gone(void *data, struct forward *f)
{
	struct tunnel *t = data;

	forwards_gone(&t->forwards, f);
}

static void on_forward_idle(void *data, struct forward *f)
{
	tunnel_better_note_idle(data);
}

static const struct forward_ops forward_ops = {
	.on_gone = on_forward_gone,
	.on_change = on_forward_change,
	.on_waiting = on_forward_waiting,
	.on_idle = on_forward_idle,
};

static void put_to_work(struct tunnel *t, struct forward *f)
{
	if (t->serving && forwards_is_turn_of(&t->forwards, f))
		forward_serve(f, path_session(t->path));
	else if (t->state == TUNNEL_FAILED)
		forward_refuse(f);
	else
		forward_hold(f);
}

int tunnel_set_forward(struct tunnel *t, const struct wire_forward *about,
		       struct config_forward *spec, int *fds, size_t count, struct err *err)
{
	struct forward *f = forwards_find(&t->forwards, about->forward);

	if (f) {
		config_forward_fini(spec);
	} else {
		f = forward_new(t->parts, about, spec, t->spec->upkeep.hold_ms, &forward_ops, t,
				err);
		if (!f)
			return -1;
		forwards_add(&t->forwards, f);
	}
	if (forward_set_sockets(f, fds, count, about->sockets, &about->error) < 0)
		return err_nomem(err);
	put_to_work(t, f);
	return 0;
}

int tunnel_add_sockets(struct tunnel *t, uint64_t id, int *fds, size_t count, struct err *err)
{
	struct forward *f = forwards_find(&t->forwards, id);

	if (f && forward_add_sockets(f, fds, count) < 0)
		return err_nomem(err);
	return 0;
}

void tunnel_remove_forward(struct tunnel *t, uint64_t id)
{
	struct forward *f = forwards_find(&t->forwards, id);

	if (f)
		forwards_retire(&t->forwards, f);
	else
		report_forward_removed(t->parts->report, t->id, id);
	loop_defer_schedule(&t->settle);
}

/* ---- connections ---- */

static bool open_direct(struct tunnel *t, struct err *err)
{
	if (t->direct)
		return true;
	t->direct = forward_direct_new(t->parts, t->id, &forward_ops, t, err);
	if (!t->direct)
		return false;
	forwards_add(&t->forwards, t->direct);
	put_to_work(t, t->direct);
	return true;
}

void tunnel_connect(struct tunnel *t, uint64_t call, struct config_end *target)
{
	struct err err;

	if (t->state == TUNNEL_STOPPED || t->stopping) {
		err_set(&err, ERR_NOT_CONNECTED, "tunnel '%s' is stopped; start it: tunctl up %s",
			t->spec->name, t->spec->name);
	} else if (t->state == TUNNEL_FAILED) {
		err = t->error;
	} else if (open_direct(t, &err)) {
		forward_direct_connect(t->direct, call, target, t->spec->upkeep.hold_ms);
		return;
	}
	report_connected(t->parts->report, call, &err);
}

bool tunnel_attach(struct tunnel *t, uint64_t call, int *fd)
{
	return t->direct && forward_direct_attach(t->direct, call, fd);
}

bool tunnel_cancel_connect(struct tunnel *t, uint64_t call)
{
	return t->direct && forward_direct_cancel(t->direct, call);
}

void tunnel_list_connections(const struct tunnel *t, uint64_t after, struct wire_connections *ret)
{
	forwards_list(&t->forwards, after, ret);
}

bool tunnel_kill_connection(struct tunnel *t, uint64_t id)
{
	struct connection *c = forwards_find_connection(&t->forwards, id);

	if (c)
		connection_end(c, true);
	return c != NULL;
}

/* ---- counters ---- */

/* Many forwards go into several messages: each has to fit into a packet. */
static void tell_stats(struct tunnel *t, const struct wire_stats *all)
{
	struct wire_stats part = *all;

	do {
		part.forward_count =
			MIN(all->forward_count - (size_t)(part.forwards - all->forwards),
			    STATS_FORWARDS_MAX);
		report_stats(t->parts->report, &part);
		part.forwards += part.forward_count;
	} while (part.forwards < all->forwards + all->forward_count);
}

bool tunnel_report_stats(struct tunnel *t)
{
	struct wire_stats stats = { .tunnel = t->id, .rtt_us = t->path->server.rtt_us };

	if (forwards_count(&t->forwards, &stats) < 0)
		return true;
	if (memcmp(&stats.counters, &t->told, sizeof(t->told)) != 0 ||
	    stats.rtt_us != t->rtt_told) {
		t->told = stats.counters;
		t->rtt_told = stats.rtt_us;
		tell_stats(t, &stats);
	}
	wire_stats_fini(&stats);
	return stats.counters.connections > 0;
}
