/* SPDX-License-Identifier: MIT */
/*
 * What a worker tells the supervisor: states when they change, counters at most twice a second.
 */
#pragma once

#include "daemon/common/packet.h"
#include "daemon/common/wire.h"
#include "daemon/common/wire_command.h"
#include "daemon/common/wire_question.h"
#include "daemon/common/wire_hostkey.h"

struct report;

typedef void (*report_collect_fn)(void *data, struct report *r); /* call report_stats() for all */

struct report *report_new(struct loop *loop, struct packet_port *port, report_collect_fn collect,
			  void *data);
void report_free(struct report *r);

void report_tunnel(struct report *r, const struct wire_tunnel_state *state);
void report_route(struct report *r, const struct wire_route_state *state);
void report_forward(struct report *r, const struct wire_forward_state *state);
void report_stats(struct report *r, const struct wire_stats *stats);
void report_connected(struct report *r, uint64_t call, const struct err *err); /* NULL: it is */
void report_killed(struct report *r, uint64_t call, bool found);
void report_connections(struct report *r, const struct wire_connections *connections);
int report_question(struct report *r, uint64_t call, uint64_t tunnel,
		    const struct question *q); /* -1: it could not be sent */
void report_wrong_answer(struct report *r, uint64_t call, uint64_t tunnel,
			 const struct question *q);
void report_question_cancel(struct report *r, uint64_t call);
void report_host_key(struct report *r, const struct wire_host_key *shown);
void report_host_key_new(struct report *r, uint64_t call, const struct wire_host_key *shown);
void report_pong(struct report *r, const struct wire_pong *pong);
void report_removed(struct report *r, uint64_t tunnel);
void report_forward_removed(struct report *r, uint64_t tunnel, uint64_t forward);

void report_command(struct report *r, const struct wire_command *wanted);
void report_command_end(struct report *r, uint64_t call);

/* Counters have changed or are about to: collect within half a second. */
void report_want_stats(struct report *r);
