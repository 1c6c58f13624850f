/* SPDX-License-Identifier: MIT */
#include "daemon/worker/orders.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/common/log.h"
#include "daemon/worker/jumps.h"
#include "daemon/worker/tunnel.h"
#include "lib/util.h"

struct delivery {
	struct orders *orders;
	json_t *message;
	int *fds;
	size_t fd_count;
};

static struct tunnel *find(struct orders *o, uint64_t id)
{
	for (struct list *link = o->tunnels->next; link != o->tunnels; link = link->next) {
		if (tunnel_id(tunnel_from_link(link)) == id)
			return tunnel_from_link(link);
	}
	return NULL;
}

/* ---- messages: one function each ---- */

/* Settings may come again; numbers do not. */
static void number_connections(const struct worker_parts *parts, uint32_t generation)
{
	uint64_t first = (uint64_t)generation << 32;

	*parts->last_connection = MAX(*parts->last_connection, first);
}

static int handle_settings(struct delivery *d, struct err *err)
{
	struct wire_settings settings;

	if (wire_read_settings(d->message, &settings, err) < 0)
		return -1;
	log_set_level(settings.level);
	gate_set_limit(d->orders->parts->gate, MAX(settings.handshakes, 1));
	number_connections(d->orders->parts, settings.generation);
	return 0;
}

static int handle_tunnel(struct delivery *d, struct err *err)
{
	struct config_tunnel *spec;
	struct tunnel *t;
	bool reconnect;
	uint64_t id;

	if (wire_read_tunnel(d->message, &id, &spec, &reconnect, err) < 0)
		return -1;
	t = find(d->orders, id);
	if (t) {
		tunnel_set(t, spec, reconnect);
		return 0;
	}
	t = tunnel_new(d->orders->parts, id, spec, err);
	if (!t)
		return -1;
	list_append(d->orders->tunnels, tunnel_link(t));
	return 0;
}

/* Messages about a tunnel that is not there are late, or it found no memory: not wrong. A removal is
 * acknowledged all the same, because the supervisor waits for it. */
static int handle_forward(struct delivery *d, struct err *err)
{
	struct config_forward spec;
	struct wire_forward forward;
	struct tunnel *t;

	if (wire_read_forward(d->message, &forward, &spec, err) < 0)
		return -1;
	t = find(d->orders, forward.tunnel);
	if (t)
		return tunnel_set_forward(t, &forward, &spec, d->fds, d->fd_count, err);
	config_forward_fini(&spec);
	return 0;
}

static int handle_forward_sockets(struct delivery *d, struct err *err)
{
	uint64_t id, forward;
	struct tunnel *t;

	if (wire_read_about_forward(d->message, &id, &forward, err) < 0)
		return -1;
	t = find(d->orders, id);
	return t ? tunnel_add_sockets(t, forward, d->fds, d->fd_count, err) : 0;
}

static int handle_forward_remove(struct delivery *d, struct err *err)
{
	uint64_t id, forward;
	struct tunnel *t;

	if (wire_read_about_forward(d->message, &id, &forward, err) < 0)
		return -1;
	t = find(d->orders, id);
	if (t)
		tunnel_remove_forward(t, forward);
	else
		report_forward_removed(d->orders->parts->report, id, forward);
	return 0;
}

static int about_tunnel(struct delivery *d, void (*fn)(struct tunnel *t), struct err *err)
{
	struct tunnel *t;
	uint64_t id;

	if (wire_read_about(d->message, &id, err) < 0)
		return -1;
	t = find(d->orders, id);
	if (t)
		fn(t);
	return 0;
}

static int handle_tunnel_remove(struct delivery *d, struct err *err)
{
	struct tunnel *t;
	uint64_t id;

	if (wire_read_about(d->message, &id, err) < 0)
		return -1;
	t = find(d->orders, id);
	if (t)
		tunnel_free(t);
	else
		report_removed(d->orders->parts->report, id);
	return 0;
}

static int handle_connections(struct delivery *d, struct err *err)
{
	struct wire_connections *found = &d->orders->found;
	uint64_t id, last;
	struct tunnel *t;

	if (wire_read_ask_connections(d->message, &found->call, &id, &last, err) < 0)
		return -1;
	found->count = 0;
	found->more = false;
	t = find(d->orders, id);
	if (t)
		tunnel_list_connections(t, last, found);
	report_connections(d->orders->parts->report, found);
	return 0;
}

static int handle_kill(struct delivery *d, struct err *err)
{
	struct orders *o = d->orders;
	uint64_t call, connection;
	bool found = false;

	if (wire_read_kill(d->message, &call, &connection, err) < 0)
		return -1;
	for (struct list *link = o->tunnels->next; link != o->tunnels && !found; link = link->next)
		found = tunnel_kill_connection(tunnel_from_link(link), connection);
	report_killed(o->parts->report, call, found);
	return 0;
}

static int handle_connect(struct delivery *d, struct err *err)
{
	struct config_end target;
	struct tunnel *t;
	uint64_t call, id;
	struct err why;

	if (wire_read_connect(d->message, &call, &id, &target, err) < 0)
		return -1;
	t = find(d->orders, id);
	if (t) {
		tunnel_connect(t, call, &target);
	} else {
		err_set(&why, ERR_NO_SUCH_TUNNEL, "the tunnel has just been removed");
		report_connected(d->orders->parts->report, call, &why);
	}
	free(target.host);
	return 0;
}

/* A call that nobody knows is over: its descriptor is closed with the message. */
static int handle_attach(struct delivery *d, struct err *err)
{
	struct orders *o = d->orders;
	bool found = d->fd_count != 1;
	uint64_t call;

	if (wire_read_about_call(d->message, &call, err) < 0)
		return -1;
	for (struct list *link = o->tunnels->next; link != o->tunnels && !found; link = link->next)
		found = tunnel_attach(tunnel_from_link(link), call, d->fds);
	return 0;
}

static int handle_connect_cancel(struct delivery *d, struct err *err)
{
	struct orders *o = d->orders;
	bool found = false;
	uint64_t call;

	if (wire_read_about_call(d->message, &call, err) < 0)
		return -1;
	for (struct list *link = o->tunnels->next; link != o->tunnels && !found; link = link->next)
		found = tunnel_cancel_connect(tunnel_from_link(link), call);
	return 0;
}

static int handle_answer(struct delivery *d, struct err *err)
{
	struct wire_answers answers;
	uint64_t call;

	if (wire_read_answer(d->message, &call, &answers, err) < 0)
		return -1;
	inquiries_answer(d->orders->parts->inquiries, call, &answers);
	wire_answers_fini(&answers);
	return 0;
}

static int handle_start(struct delivery *d, struct err *err)
{
	return about_tunnel(d, tunnel_start, err);
}

static int handle_stop(struct delivery *d, struct err *err)
{
	return about_tunnel(d, tunnel_stop, err);
}

static int handle_restart(struct delivery *d, struct err *err)
{
	return about_tunnel(d, tunnel_restart, err);
}

static int handle_command_started(struct delivery *d, struct err *err)
{
	return command_calls_started(d->orders->parts->commands, d->message, d->fds, d->fd_count,
				     err);
}

static int handle_command_ended(struct delivery *d, struct err *err)
{
	return command_calls_ended(d->orders->parts->commands, d->message, err);
}

static int handle_host_key_written(struct delivery *d, struct err *err)
{
	return hostkey_answered(d->orders->parts->host_keys, d->message, err);
}

static int handle_wake(struct delivery *d, struct err *err)
{
	for (struct list *link = d->orders->tunnels->next; link != d->orders->tunnels;
	     link = link->next)
		tunnel_wake(tunnel_from_link(link));
	jumps_wake(d->orders->parts->jumps);
	return 0;
}

static int handle_ping(struct delivery *d, struct err *err)
{
	struct wire_pong pong = { 0 };
	struct loop_stats stats;

	if (wire_read_ping(d->message, &pong.seq, err) < 0)
		return -1;
	loop_stats(d->orders->parts->loop, &stats);
	pong.stall_us = stats.recent_worst_us;
	pong.worst_stall_us = stats.worst_us;
	for (struct list *link = d->orders->tunnels->next; link != d->orders->tunnels;
	     link = link->next)
		pong.sessions += tunnel_has_session(tunnel_from_link(link));
	report_pong(d->orders->parts->report, &pong);
	return 0;
}

static int handle_shutdown(struct delivery *d, struct err *err)
{
	d->orders->on_shutdown(d->orders->data);
	return 0;
}

static const struct {
	const char *type;
	int (*handle)(struct delivery *d, struct err *err);
} handlers[] = {
	{ "settings", handle_settings },
	{ "tunnel", handle_tunnel },
	{ "forward", handle_forward },
	{ "forward-sockets", handle_forward_sockets },
	{ "forward-remove", handle_forward_remove },
	{ "tunnel-remove", handle_tunnel_remove },
	{ "start", handle_start },
	{ "stop", handle_stop },
	{ "restart", handle_restart },
	{ "connections", handle_connections },
	{ "kill", handle_kill },
	{ "connect", handle_connect },
	{ "attach", handle_attach },
	{ "connect-cancel", handle_connect_cancel },
	{ "answer", handle_answer },
	{ "command-started", handle_command_started },
	{ "command-ended", handle_command_ended },
	{ "host-key-written", handle_host_key_written },
	{ "wake", handle_wake },
	{ "ping", handle_ping },
	{ "shutdown", handle_shutdown },
};

void orders_take(struct orders *o, const char *type, json_t *message, int *fds, size_t fd_count)
{
	struct delivery d = { .orders = o, .message = message, .fds = fds, .fd_count = fd_count };
	struct err err;

	for (size_t i = 0; i < ARRAY_SIZE(handlers); i++) {
		if (strcmp(handlers[i].type, type) != 0)
			continue;
		if (handlers[i].handle(&d, &err) < 0)
			log_error("message '%s' from the supervisor: %s", type, err.msg);
		return;
	}
	log_error("message '%s' from the supervisor is not known; is tunneld of another version?",
		  type);
}
