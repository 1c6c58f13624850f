/* SPDX-License-Identifier: MIT */
/*
 * The life of a worker process as a machine without a clock, a process or a socket of its own:
 * events and the time go in, the one thing to do comes out. workers.c does it. So a unit test can
 * live through a night of crashes in a millisecond.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum worker_state {
	WORKER_NEW, /* nothing was started yet */
	WORKER_STARTING, /* a process runs and has not said `ready` */
	WORKER_RUNNING, /* it has its tunnels */
	WORKER_DYING, /* it hung up or got SIGKILL; its end is not yet known */
	WORKER_WAITING, /* dead; the next one starts at `deadline_ms` */
	WORKER_RETIRING, /* it was asked to leave */
	WORKER_GONE, /* and has left: only the struct remains to be freed */
	WORKER_STATE_COUNT
};

enum worker_event {
	WORKER_EV_START,
	WORKER_EV_SPAWN_FAILED, /* the process could not be started */
	WORKER_EV_READY,
	WORKER_EV_HUNG_UP, /* it closed its line: it ends, one way or another */
	WORKER_EV_BROKEN, /* it spoke nonsense */
	WORKER_EV_DEADLINE, /* what the state's limit was for did not happen */
	WORKER_EV_EXITED, /* the process has ended */
	WORKER_EV_RETIRE,
	WORKER_EVENT_COUNT
};

enum worker_action {
	WORKER_DO_NOTHING,
	WORKER_DO_SPAWN,
	WORKER_DO_HAND_OVER, /* tell it its tunnels */
	WORKER_DO_LET_DIE, /* give it a moment to end by itself, so that it is known how */
	WORKER_DO_KILL,
	WORKER_DO_MOURN, /* tell the tunnels that it is dead */
	WORKER_DO_SHUT_DOWN, /* ask it to leave */
	WORKER_DO_FORGET, /* free it */
};

#define WORKER_PING_MS 1000
#define WORKER_SILENCE_MS 5000 /* no sign of life for so long: hung */
#define WORKER_DYING_MS 1000 /* how long the end of a process may take */
#define WORKER_LEAVE_MS 3500 /* how long a polite end may take */
#define WORKER_STABLE_MS 10000 /* a death before this age counts as an early one */
#define WORKER_RESTART_MIN_MS 500
#define WORKER_RESTART_MAX_MS 30000

struct worker_machine {
	enum worker_state state;
	uint64_t deadline_ms; /* 0: none */
	uint64_t started_ms; /* of the process that runs, or ran last */
	uint64_t seen_ms; /* when somebody last looked at the clock for it */
	unsigned early_deaths; /* in a row */
	unsigned restarts; /* processes started after the first */
	bool was_hung; /* the process was killed because it did not answer */
};

enum worker_action worker_machine_input(struct worker_machine *m, enum worker_event event,
					uint64_t now_ms);
/* A sign of life: moves the deadline of a running worker. */
void worker_machine_pong(struct worker_machine *m, uint64_t now_ms);
/* Looks at the clock, at least once a second. A supervisor that was itself stopped or starved for
 * long has heard nothing for that reason alone: the time it slept does not count. */
enum worker_action worker_machine_tick(struct worker_machine *m, uint64_t now_ms);

/* How long until the next process is started; 0: at once, or none is due. */
unsigned worker_machine_restart_in_ms(const struct worker_machine *m, uint64_t now_ms);
const char *worker_state_name(enum worker_state state);
