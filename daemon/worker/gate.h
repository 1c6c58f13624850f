/* SPDX-License-Identifier: MIT */
/*
 * How many handshakes with one server may be unfinished at a time. sshd drops connections at random
 * above MaxStartups (10 by default), so a worker that starts two hundred tunnels to one server lets
 * them in by turns; those with clients waiting at their listening socket go first. A turn ends when
 * the server has answered something after authentication: only then has sshd surely counted it.
 */
#pragma once

#include "daemon/common/loop.h"

struct gate;

struct gate_pass;
typedef void (*gate_admit_fn)(void *data);
struct gate_pass {
	struct list link; /* gate_server.urgent or .waiting while it waits */
	struct gate_server *server; /* NULL: neither waiting nor inside */
	bool inside, urgent;
	gate_admit_fn on_admit;
	void *data;
};

struct gate *gate_new(struct loop *loop, unsigned limit);
void gate_free(struct gate *gate); /* every pass must have left */
void gate_set_limit(struct gate *gate, unsigned limit);

/* Queues; on_admit comes from the loop. -1: out of memory. The pass must not be in use. The server has
 * the name that way_name() gives it, which is copied. */
int gate_enter(struct gate *gate, struct gate_pass *pass, const char *server_name, bool urgent,
	       gate_admit_fn on_admit, void *data);
void gate_hurry(struct gate_pass *pass); /* among the urgent ones, when it still waits */
void gate_leave(struct gate_pass *pass); /* from the queue or from inside; idempotent */
