/* SPDX-License-Identifier: MIT */
/*
 * The worker processes: started when tunnels need them, watched by heartbeats, replaced when they
 * die or hang, sent home when they have had nothing to do for a while. A worker here is a place
 * (index, tunnels, line) that outlives the process which fills it at the moment; its fate is
 * decided by worker_machine.c. What the processes say is untrusted.
 */
#pragma once

#include <jansson.h>
#include <sys/types.h>

#include "daemon/common/loop.h"
#include "daemon/common/packet.h"
#include "daemon/supervisor/worker_machine.h"
#include "lib/config.h"

struct workers;

struct worker {
	struct list link; /* workers.all */
	struct workers *owner;
	unsigned index; /* from 1; what people see */
	struct worker_machine machine;
	pid_t pid; /* 0: no process */
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

struct workers_ops {
	/* A fresh process knows nothing: tell it everything. */
	void (*on_ready)(void *data, struct worker *w);
	/* The process has ended. why is NULL when it was meant to and the worker itself goes. */
	void (*on_dead)(void *data, struct worker *w, const struct err *why);
	/* Anything but ready and pong. -1 with err: nonsense; the process is replaced. */
	int (*on_message)(void *data, struct worker *w, const char *type, json_t *message,
			  struct err *err);
	/* After workers_shut_down(): the last process has ended. */
	void (*on_all_gone)(void *data);
};

struct workers *workers_new(struct loop *loop, const struct workers_ops *ops, void *data,
			    struct err *err);
void workers_free(struct workers *ws); /* kills what still runs */

/* 0: min(CPUs, 4). Counts for workers started from now on. */
void workers_set_limit(struct workers *ws, unsigned limit);
void workers_set_log_level(struct workers *ws, enum log_level level);

/* The network may be another one: waits are cut short, living servers are asked. */
void workers_wake(struct workers *ws);

/* The worker that should carry one more tunnel; started if need be. NULL: out of memory. */
struct worker *workers_place(struct workers *ws);
bool worker_is_running(const struct worker *w);
/* CLOCK_MONOTONIC of the next start; only for dead ones. */
uint64_t worker_restart_at_ms(const struct worker *w);
/* Takes the reference to message. -1: not running, out of memory or too large. */
int worker_send(struct worker *w, json_t *message, const int *fds, size_t fd_count);

const struct list *workers_all(const struct workers *ws); /* struct worker, by index */
unsigned workers_count(const struct workers *ws);

/* Every worker is asked to leave, gets WORKER_LEAVE_MS, then is killed; on_all_gone is called from
 * the loop. */
void workers_shut_down(struct workers *ws);
void workers_kill(struct workers *ws); /* now, all of them */
