/* SPDX-License-Identifier: MIT */
/*
 * The worker processes as a set: started when tunnels need them, few of them, the emptiest one is
 * given the next tunnel; all are told what concerns all, and end together.
 */
#pragma once

#include "daemon/supervisor/worker.h"

struct workers;

/* on_all_gone is called after workers_shut_down(), when the last process has ended. */
struct workers *workers_new(struct loop *loop, struct children *children,
			    const struct worker_ops *ops, void (*on_all_gone)(void *data),
			    void *data, struct err *err);
void workers_free(struct workers *ws); /* kills what still runs */

/* 0: min(CPUs, 4). Counts for workers started from now on. */
void workers_set_limit(struct workers *ws, unsigned limit);
void workers_set_log_level(struct workers *ws, enum log_level level);

/* The network may be another one: waits are cut short, living servers are asked. */
void workers_wake(struct workers *ws);

/* The worker that should carry one more tunnel; started if need be. NULL: out of memory. */
struct worker *workers_place(struct workers *ws);

/* The worker whose process has this number; NULL: it has ended. */
struct worker *workers_find_generation(const struct workers *ws, uint64_t generation);

const struct list *workers_all(const struct workers *ws); /* struct worker, by index */

/* Every worker is asked to leave, gets WORKER_LEAVE_MS, then is killed; on_all_gone is called from
 * the loop. */
void workers_shut_down(struct workers *ws);
void workers_kill(struct workers *ws); /* now, all of them */
