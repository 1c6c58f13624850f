/* SPDX-License-Identifier: MIT */
/*
 * All forwards of one tunnel: what the tunnel tells each of them, and what it wants to know of any.
 */
#pragma once

#include "daemon/worker/forward_local.h"

struct forwards {
	struct list all; /* struct forward */
};

void forwards_init(struct forwards *fs);
void forwards_free(struct forwards *fs);
void forwards_add(struct forwards *fs, struct forward *f);
struct forward *forwards_find(const struct forwards *fs, uint64_t id);

void forwards_serve(struct forwards *fs, struct session *s);
void forwards_hold(struct forwards *fs);
void forwards_refuse(struct forwards *fs);
void forwards_set_hold(struct forwards *fs, unsigned hold_ms);
void forwards_end_connections(struct forwards *fs, bool reset);

bool forwards_have_waiting(const struct forwards *fs);
/* Why the first one that does not work does not; NULL: all do. */
const struct err *forwards_failure(const struct forwards *fs);
/* Fills stats->forwards (malloced) and the sums. -1: out of memory. */
int forwards_count(const struct forwards *fs, struct wire_stats *stats);
