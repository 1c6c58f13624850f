/* SPDX-License-Identifier: MIT */
/*
 * One worker: a place (index, tunnels, line) that outlives the process which fills it at the moment.
 * Its fate is decided by worker_machine.c; here its decisions are carried out, heartbeats are sent,
 * and what the process says is taken in. All of that is untrusted.
 */
#pragma once

#include <jansson.h>
#include <sys/types.h>

#include "daemon/common/loop.h"
#include "daemon/common/packet.h"
#include "daemon/supervisor/children.h"
#include "daemon/supervisor/worker_machine.h"
#include "lib/config.h"

struct worker;

struct worker_ops {
	/* A fresh process knows nothing: tell it everything. */
	void (*on_ready)(void *data, struct worker *w);
	/* The process has ended. why is NULL when it was meant to and the worker itself goes. */
	void (*on_dead)(void *data, struct worker *w, const struct err *why);
	/* Anything but ready and pong. -1 with err: nonsense; the process is replaced. */
	int (*on_message)(void *data, struct worker *w, const char *type, json_t *message,
			  struct err *err);
};

/* What all workers have in common. */
struct worker_house {
	struct loop *loop;
	struct children *children; /* borrowed */
	const struct worker_ops *ops;
	void *data;
	char *program;
	enum log_level log_level;
	unsigned handshakes; /* each one's share of the unfinished ones to one server */
	uint32_t generation; /* of the last process that was started */
	void (*on_forgotten)(struct worker_house *house); /* a worker left; it is freed later */
};

struct worker {
	struct list link; /* workers.all */
	struct worker_house *house;
	unsigned index; /* from 1; what people see */
	struct worker_machine machine;
	struct child process; /* pid 0: there is none */
	pid_t pid; /* of the process, or of the last one */
	int report; /* why it could not be run, if so; -1: there is no process */
	uint32_t generation; /* of the process; ids of connections begin with it */
	struct packet_port *port; /* NULL: no process, or its line broke */
	struct err broken; /* why it was given up, if it was */
	struct err death; /* how the last process ended; shown until the next one runs */
	struct loop_timer timer; /* heartbeats and the machine's deadline */
	uint64_t ping_seq;
	unsigned idle_ticks; /* heartbeats without a tunnel */

	struct list tunnels; /* tunnel.worker_link; kept by tunnel.c */
	unsigned tunnel_count;

	char libssh[32]; /* its version; "" until `ready` */
	unsigned worst_stall_us; /* as of its last pong */
	struct loop_grave grave;
};

/* Not started yet, and in no list. NULL: out of memory. */
struct worker *worker_new(struct worker_house *house, unsigned index);
void worker_start(struct worker *w);
void worker_retire(struct worker *w); /* politely; it is forgotten when the process has ended */
void worker_kill(struct worker *w);
void worker_forget(struct worker *w); /* now, whatever its process does */
void worker_tell_settings(struct worker *w);

bool worker_is_running(const struct worker *w);
bool worker_is_leaving(const struct worker *w);
/* CLOCK_MONOTONIC of the next start; only for dead ones. */
uint64_t worker_restart_at_ms(const struct worker *w);
/* Takes the reference to message. -1: not running, out of memory or too large. */
int worker_send(struct worker *w, json_t *message, const int *fds, size_t fd_count);
