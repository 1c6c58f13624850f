/* SPDX-License-Identifier: MIT */
#include "daemon/worker/report.h"

#include <stdlib.h>

#include "daemon/common/log.h"

#define STATS_INTERVAL_MS 500

struct report {
	struct packet_port *port; /* borrowed */
	struct loop_timer timer;
	report_collect_fn collect;
	void *data;
};

static void on_timer(void *data)
{
	struct report *r = data;

	r->collect(r->data, r);
}

struct report *report_new(struct loop *loop, struct packet_port *port, report_collect_fn collect,
			  void *data)
{
	struct report *r = calloc(1, sizeof(*r));

	if (!r || loop_timer_open(&r->timer, loop, on_timer, r) < 0) {
		free(r);
		return NULL;
	}
	r->port = port;
	r->collect = collect;
	r->data = data;
	return r;
}

void report_free(struct report *r)
{
	if (!r)
		return;
	loop_timer_close(&r->timer);
	free(r);
}

static int send_message(struct report *r, json_t *message)
{
	if (packet_send(r->port, message, NULL, 0) == 0)
		return 0;
	log_error("a message to the supervisor was lost: it does not read, or memory is out");
	return -1;
}

void report_tunnel(struct report *r, const struct wire_tunnel_state *state)
{
	send_message(r, wire_tunnel_state(state));
}

void report_route(struct report *r, const struct wire_route_state *state)
{
	send_message(r, wire_route_state(state));
}

void report_forward(struct report *r, const struct wire_forward_state *state)
{
	send_message(r, wire_forward_state(state));
}

void report_stats(struct report *r, const struct wire_stats *stats)
{
	send_message(r, wire_stats(stats));
}

void report_connected(struct report *r, uint64_t call, const struct err *err)
{
	send_message(r, wire_connected(call, err));
}

void report_killed(struct report *r, uint64_t call, bool found)
{
	send_message(r, wire_killed(call, found));
}

void report_connections(struct report *r, const struct wire_connections *connections)
{
	send_message(r, wire_connections(connections));
}

int report_question(struct report *r, uint64_t call, uint64_t tunnel, const struct question *q)
{
	return send_message(r, wire_question(call, tunnel, q));
}

void report_wrong_answer(struct report *r, uint64_t call, uint64_t tunnel, const struct question *q)
{
	send_message(r, wire_wrong_answer(call, tunnel, q));
}

void report_question_cancel(struct report *r, uint64_t call)
{
	send_message(r, wire_about_call("question-cancel", call));
}

void report_host_key(struct report *r, const struct wire_host_key *shown)
{
	send_message(r, wire_host_key(shown));
}

void report_host_key_new(struct report *r, uint64_t call, const struct wire_host_key *shown)
{
	send_message(r, wire_host_key_new(call, shown));
}

void report_pong(struct report *r, const struct wire_pong *pong)
{
	send_message(r, wire_pong(pong));
}

void report_removed(struct report *r, uint64_t tunnel)
{
	send_message(r, wire_about("tunnel-removed", tunnel));
}

void report_forward_removed(struct report *r, uint64_t tunnel, uint64_t forward)
{
	send_message(r, wire_about_forward("forward-removed", tunnel, forward));
}

void report_command(struct report *r, const struct wire_command *wanted)
{
	send_message(r, wire_command(wanted));
}

void report_command_end(struct report *r, uint64_t call)
{
	send_message(r, wire_about_call("command-end", call));
}

void report_want_stats(struct report *r)
{
	if (!loop_timer_is_set(&r->timer))
		loop_timer_set(&r->timer, STATS_INTERVAL_MS);
}
