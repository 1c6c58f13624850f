/* SPDX-License-Identifier: MIT */
/*
 * What the connections of a forward have in common: where they are listed and counted, who hears of them,
 * and how much the log hears of clients that are turned away.
 */
#pragma once

#include "daemon/worker/parts.h"

struct connection;
struct connection_ops;

struct connection_home {
	const struct worker_parts *parts;
	const struct config_forward *spec; /* who may go where, for how long */
	uint64_t forward; /* id on the wire; 0: none */
	struct session *session; /* to open channels through; NULL: there is none at the moment */
	struct list list; /* struct connection, oldest first */
	uint64_t complained_ms; /* when the log last heard of a client that was turned away */
	unsigned opening; /* of them that are not open yet */
	struct wire_counters counters;
	const struct connection_ops *ops;
	void *data;
};

void connection_home_init(struct connection_home *home, const struct worker_parts *parts,
			  const struct config_forward *spec, uint64_t forward,
			  const struct connection_ops *ops, void *data);

void connection_home_end_all(struct connection_home *home, bool reset);
struct connection *connection_home_find(const struct connection_home *home, uint64_t id);
/* A client was turned away: they can do that as often as they like, so the log hears of one a
 * second. */
void connection_home_complain(struct connection_home *home, const char *from,
			      const struct err *err);
