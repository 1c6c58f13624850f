/* SPDX-License-Identifier: MIT */
#include "daemon/worker/worker.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/common/log.h"
#include "daemon/worker/jumps.h"
#include "daemon/worker/parting.h"
#include "daemon/worker/parts.h"
#include "daemon/worker/session.h"
#include "daemon/worker/tunnel.h"
#include "lib/util.h"

#define FILE_THREADS 4
#define HANDSHAKES_DEFAULT 8
#define TARGETS_MAX 512 /* names that clients want to reach, resolved at a time */
#define FAREWELL_MS 10 /* how often it is asked whether all sessions are closed */

struct worker {
	struct worker_parts parts;
	struct packet_port *port;
	struct list tunnels;
	struct loop_timer farewell;
	struct partings partings;
	struct inquiries inquiries;
	struct hostkey_questions host_keys;
	struct older older;
	struct doubts doubts;
	uint64_t last_connection; /* id; see wire_connection */
	struct command_calls commands;
	int spare_fd;
	struct wire_connections found; /* for an answer */
};

static struct tunnel *find(struct worker *w, uint64_t id)
{
	for (struct list *link = w->tunnels.next; link != &w->tunnels; link = link->next) {
		if (tunnel_id(tunnel_from_link(link)) == id)
			return tunnel_from_link(link);
	}
	return NULL;
}

/* ---- messages: one function each ---- */

struct delivery {
	struct worker *worker;
	json_t *message;
	int *fds;
	size_t fd_count;
};

/* Settings may come again; numbers do not. */
static void number_connections(struct worker *w, uint32_t generation)
{
	uint64_t first = (uint64_t)generation << 32;

	w->last_connection = MAX(w->last_connection, first);
}

static int handle_settings(struct delivery *d, struct err *err)
{
	struct wire_settings settings;

	if (wire_read_settings(d->message, &settings, err) < 0)
		return -1;
	log_set_level(settings.level);
	gate_set_limit(d->worker->parts.gate, MAX(settings.handshakes, 1));
	number_connections(d->worker, settings.generation);
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
	t = find(d->worker, id);
	if (t) {
		tunnel_set(t, spec, reconnect);
		return 0;
	}
	t = tunnel_new(&d->worker->parts, id, spec, err);
	if (!t)
		return -1;
	list_append(&d->worker->tunnels, tunnel_link(t));
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
	t = find(d->worker, forward.tunnel);
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
	t = find(d->worker, id);
	return t ? tunnel_add_sockets(t, forward, d->fds, d->fd_count, err) : 0;
}

static int handle_forward_remove(struct delivery *d, struct err *err)
{
	uint64_t id, forward;
	struct tunnel *t;

	if (wire_read_about_forward(d->message, &id, &forward, err) < 0)
		return -1;
	t = find(d->worker, id);
	if (t)
		tunnel_remove_forward(t, forward);
	else
		report_forward_removed(d->worker->parts.report, id, forward);
	return 0;
}

static int about_tunnel(struct delivery *d, void (*fn)(struct tunnel *t), struct err *err)
{
	struct tunnel *t;
	uint64_t id;

	if (wire_read_about(d->message, &id, err) < 0)
		return -1;
	t = find(d->worker, id);
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
	t = find(d->worker, id);
	if (t)
		tunnel_free(t);
	else
		report_removed(d->worker->parts.report, id);
	return 0;
}

static int handle_connections(struct delivery *d, struct err *err)
{
	struct wire_connections *found = &d->worker->found;
	uint64_t id, last;
	struct tunnel *t;

	if (wire_read_ask_connections(d->message, &found->call, &id, &last, err) < 0)
		return -1;
	found->count = 0;
	found->more = false;
	t = find(d->worker, id);
	if (t)
		tunnel_list_connections(t, last, found);
	report_connections(d->worker->parts.report, found);
	return 0;
}

static int handle_kill(struct delivery *d, struct err *err)
{
	struct worker *w = d->worker;
	uint64_t call, connection;
	bool found = false;

	if (wire_read_kill(d->message, &call, &connection, err) < 0)
		return -1;
	for (struct list *link = w->tunnels.next; link != &w->tunnels && !found; link = link->next)
		found = tunnel_kill_connection(tunnel_from_link(link), connection);
	report_killed(w->parts.report, call, found);
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
	t = find(d->worker, id);
	if (t) {
		tunnel_connect(t, call, &target);
	} else {
		err_set(&why, ERR_NO_SUCH_TUNNEL, "the tunnel has just been removed");
		report_connected(d->worker->parts.report, call, &why);
	}
	free(target.host);
	return 0;
}

/* A call that nobody knows is over: its descriptor is closed with the message. */
static int handle_attach(struct delivery *d, struct err *err)
{
	struct worker *w = d->worker;
	bool found = d->fd_count != 1;
	uint64_t call;

	if (wire_read_about_call(d->message, &call, err) < 0)
		return -1;
	for (struct list *link = w->tunnels.next; link != &w->tunnels && !found; link = link->next)
		found = tunnel_attach(tunnel_from_link(link), call, d->fds);
	return 0;
}

static int handle_connect_cancel(struct delivery *d, struct err *err)
{
	struct worker *w = d->worker;
	bool found = false;
	uint64_t call;

	if (wire_read_about_call(d->message, &call, err) < 0)
		return -1;
	for (struct list *link = w->tunnels.next; link != &w->tunnels && !found; link = link->next)
		found = tunnel_cancel_connect(tunnel_from_link(link), call);
	return 0;
}

static int handle_answer(struct delivery *d, struct err *err)
{
	struct wire_answers answers;
	uint64_t call;

	if (wire_read_answer(d->message, &call, &answers, err) < 0)
		return -1;
	inquiries_answer(&d->worker->inquiries, call, &answers);
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
	return command_calls_started(&d->worker->commands, d->message, d->fds, d->fd_count, err);
}

static int handle_command_ended(struct delivery *d, struct err *err)
{
	return command_calls_ended(&d->worker->commands, d->message, err);
}

static int handle_host_key_written(struct delivery *d, struct err *err)
{
	return hostkey_answered(&d->worker->host_keys, d->message, err);
}

static int handle_wake(struct delivery *d, struct err *err)
{
	for (struct list *link = d->worker->tunnels.next; link != &d->worker->tunnels;
	     link = link->next)
		tunnel_wake(tunnel_from_link(link));
	jumps_wake(d->worker->parts.jumps);
	return 0;
}

static int handle_ping(struct delivery *d, struct err *err)
{
	struct wire_pong pong = { 0 };
	struct loop_stats stats;

	if (wire_read_ping(d->message, &pong.seq, err) < 0)
		return -1;
	loop_stats(d->worker->parts.loop, &stats);
	pong.stall_us = stats.recent_worst_us;
	pong.worst_stall_us = stats.worst_us;
	for (struct list *link = d->worker->tunnels.next; link != &d->worker->tunnels;
	     link = link->next)
		pong.sessions += tunnel_has_session(tunnel_from_link(link));
	packet_send(d->worker->port, wire_pong(&pong), NULL, 0);
	return 0;
}

static void free_tunnels(struct worker *w)
{
	while (!list_is_empty(&w->tunnels))
		tunnel_free(tunnel_from_link(w->tunnels.next));
}

static void on_farewell(void *data)
{
	struct worker *w = data;

	if (list_is_empty(&w->partings.all) && jumps_are_gone(w->parts.jumps))
		loop_quit(w->parts.loop, 0);
	else
		loop_timer_set(&w->farewell, FAREWELL_MS);
}

/* Sessions say goodbye at the end of this turn; then only those are waited for that have listeners to
 * take back from a server. */
static int handle_shutdown(struct delivery *d, struct err *err)
{
	free_tunnels(d->worker);
	loop_timer_set(&d->worker->farewell, 1);
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

static void on_message(void *data, const char *type, json_t *message, int *fds, size_t fd_count)
{
	struct delivery d = {
		.worker = data, .message = message, .fds = fds, .fd_count = fd_count
	};
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

/* Without a supervisor nobody may keep the tunnels: the sockets are its. */
static void on_close(void *data, const struct err *err)
{
	struct worker *w = data;

	log_info("the supervisor is gone (%s); ending", err->msg);
	free_tunnels(w);
	loop_timer_set(&w->farewell, 1);
}

static const struct packet_ops packet_ops = {
	.on_message = on_message,
	.on_close = on_close,
};

static void collect_stats(void *data, struct report *r)
{
	struct worker *w = data;
	bool again = false;

	for (struct list *link = w->tunnels.next; link != &w->tunnels; link = link->next)
		again |= tunnel_report_stats(tunnel_from_link(link));
	if (again)
		report_want_stats(r);
}

static int open_parts(struct worker *w, int fd, struct err *err)
{
	struct worker_parts *p = &w->parts;

	p->resolver = resolver_new(p->loop, "names", UINT_MAX, err);
	p->targets = p->resolver ? resolver_new(p->loop, "targets", TARGETS_MAX, err) : NULL;
	p->files = p->targets ? offload_new(p->loop, "files", FILE_THREADS, err) : NULL;
	if (!p->files)
		return -1;
	p->gate = gate_new(p->loop, HANDSHAKES_DEFAULT);
	p->agents = agents_new(p->loop);
	p->jumps = jumps_new(p);
	p->scratch = malloc(sizeof(*p->scratch));
	p->partings = &w->partings;
	p->host_keys = &w->host_keys;
	p->older = &w->older;
	p->doubts = &w->doubts;
	p->last_connection = &w->last_connection;
	p->spare_fd = &w->spare_fd;
	w->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (!p->gate || !p->agents || !p->jumps || !p->scratch ||
	    loop_timer_open(&w->farewell, p->loop, on_farewell, w) < 0)
		return err_nomem(err);
	w->port = packet_port_new(p->loop, fd, &packet_ops, w, err);
	if (!w->port)
		return -1;
	p->report = report_new(p->loop, w->port, collect_stats, w);
	inquiries_init(&w->inquiries, p->report);
	p->inquiries = &w->inquiries;
	command_calls_init(&w->commands, p->loop, p->report);
	p->commands = &w->commands;
	return p->report ? 0 : err_nomem(err);
}

struct worker *worker_new(struct loop *loop, int fd, struct err *err)
{
	struct worker *w = calloc(1, sizeof(*w));

	if (!w) {
		err_nomem(err);
		return NULL;
	}
	w->parts.loop = loop;
	list_init(&w->tunnels);
	w->spare_fd = -1;
	partings_init(&w->partings, loop);
	hostkey_questions_init(&w->host_keys);
	if (open_parts(w, fd, err) < 0) {
		worker_free(w);
		return NULL;
	}
	packet_send(w->port, wire_ready(TUNNELD_VERSION, session_libssh_version()), NULL, 0);
	return w;
}

void worker_free(struct worker *w)
{
	if (!w)
		return;
	free_tunnels(w);
	partings_fini(&w->partings);
	jumps_free(w->parts.jumps);
	older_fini(&w->older);
	doubts_fini(&w->doubts);
	closep(&w->spare_fd);
	command_calls_fini(&w->commands);
	report_free(w->parts.report);
	packet_port_free(w->port);
	loop_timer_close(&w->farewell);
	gate_free(w->parts.gate);
	agents_free(w->parts.agents);
	offload_free(w->parts.files);
	resolver_free(w->parts.targets);
	resolver_free(w->parts.resolver);
	free(w->parts.scratch);
	free(w);
}
