/* SPDX-License-Identifier: MIT */
#include "daemon/worker/worker.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>

#include "daemon/common/log.h"
#include "daemon/worker/jumps.h"
#include "daemon/worker/orders.h"
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
	struct orders orders;
};

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
static void take_leave(void *data)
{
	struct worker *w = data;

	free_tunnels(w);
	loop_timer_set(&w->farewell, 1);
}

/* Without a supervisor nobody may keep the tunnels: the sockets are its. */
static void on_close(void *data, const struct err *err)
{
	log_info("the supervisor is gone (%s); ending", err->msg);
	take_leave(data);
}

static void on_message(void *data, const char *type, json_t *message, int *fds, size_t fd_count)
{
	struct worker *w = data;

	orders_take(&w->orders, type, message, fds, fd_count);
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

static int open_parts(struct worker *w, struct err *err)
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
	return 0;
}

/* What goes over the line to the supervisor. */
static int open_line(struct worker *w, int fd, struct err *err)
{
	struct worker_parts *p = &w->parts;

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
	w->orders = (struct orders){
		.parts = &w->parts, .tunnels = &w->tunnels, .on_shutdown = take_leave, .data = w
	};
	w->spare_fd = -1;
	partings_init(&w->partings, loop);
	hostkey_questions_init(&w->host_keys);
	if (open_parts(w, err) < 0 || open_line(w, fd, err) < 0) {
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
