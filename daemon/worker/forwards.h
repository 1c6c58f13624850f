/* SPDX-License-Identifier: MIT */
/*
 * All forwards of one tunnel: what the tunnel tells each of them, and what it wants to know of any.
 */
#pragma once

#include "daemon/worker/forward.h"

struct forwards {
	struct list all; /* struct forward */
	struct list retired; /* the same: dropped, but some of their connections go on */
	struct wire_counters past; /* of those that have gone */
	struct session *session; /* NULL: none */
	bool others_wait; /* for the ports that the server chooses */
};

void forwards_init(struct forwards *fs);
void forwards_free(struct forwards *fs);
void forwards_add(struct forwards *fs, struct forward *f);
void forwards_retire(struct forwards *fs, struct forward *f);
void forwards_gone(struct forwards *fs, const struct forward *f); /* its counters stay */
struct forward *forwards_find(const struct forwards *fs, uint64_t id);

/* Ports that the server chooses are asked for first, and the others follow when they are answered
 * (forwards_go_on(), to be called after each change): libssh reads the number from the last packet
 * that came, whatever that was. */
void forwards_serve(struct forwards *fs, struct session *s);
void forwards_go_on(struct forwards *fs);
/* One that has come since may be served; if not, forwards_go_on() will do it. */
bool forwards_is_turn_of(const struct forwards *fs, const struct forward *f);
void forwards_hold(struct forwards *fs);
void forwards_refuse(struct forwards *fs);
void forwards_take_leave(struct forwards *fs);
void forwards_change_server(struct forwards *fs); /* the next session is with another one */
void forwards_set_hold(struct forwards *fs, unsigned hold_ms);
void forwards_end_connections(struct forwards *fs, bool reset);

bool forwards_have_waiting(const struct forwards *fs);
bool forwards_have_connections(const struct forwards *fs);
bool forwards_are_opening(const struct forwards *fs);
/* Why the first one that does not work does not; NULL: all do. */
const struct err *forwards_failure(const struct forwards *fs);
/* The same, for those that could not be set up at all. */
const struct err *forwards_setup_failure(const struct forwards *fs);
/* Fills stats->forwards (malloced) and the sums. -1: out of memory. */
int forwards_count(const struct forwards *fs, struct wire_stats *stats);

struct connection *forwards_find_connection(const struct forwards *fs, uint64_t id);
/* Fills ret->items with the connections that come next after this id, and says whether there are
 * more. */
void forwards_list(const struct forwards *fs, uint64_t after, struct wire_connections *ret);
