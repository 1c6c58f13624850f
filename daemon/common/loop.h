/* SPDX-License-Identifier: MIT */
/*
 * The event loop of a daemon process: libevent with three additions. Callbacks are typed and owned
 * by small embedded structs; what is closed is freed after the turn (the graveyard), so a callback
 * may close anything without pulling the rug from under its callers; and the loop measures how long
 * each turn kept it from listening, less the time it only waited for a CPU.
 *
 * A loop belongs to one thread. Only loop_post() may be called from another.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/list.h"

struct event;
struct loop;

#define LOOP_READ 0x01
#define LOOP_WRITE 0x02

/* A descriptor watched level-triggered. The descriptor stays the caller's. */
struct loop_io;
typedef void (*loop_io_fn)(void *data, unsigned ready); /* ready: LOOP_READ | LOOP_WRITE */
struct loop_io {
	struct loop *loop; /* NULL: closed */
	int fd;
	struct event *read, *write; /* two, so that a change of one costs one epoll_ctl(2) */
	unsigned interest;
	loop_io_fn on_ready;
	void *data;
};

/* interest may be 0. -1: out of memory. */
int loop_io_open(struct loop_io *io, struct loop *loop, int fd, unsigned interest, loop_io_fn fn,
		 void *data);
void loop_io_want(struct loop_io *io, unsigned interest); /* cheap when nothing changes */
void loop_io_close(struct loop_io *io); /* before close(fd); {0} and closed ones are fine */

/* A one-shot timer; the callback may set it again. */
struct loop_timer;
typedef void (*loop_timer_fn)(void *data);
struct loop_timer {
	struct loop *loop;
	struct event *event;
	uint64_t due_ms; /* CLOCK_MONOTONIC; 0: not set */
	loop_timer_fn on_due;
	void *data;
};

int loop_timer_open(struct loop_timer *timer, struct loop *loop, loop_timer_fn fn, void *data);
void loop_timer_set(struct loop_timer *timer, unsigned delay_ms); /* replaces a pending one */
void loop_timer_stop(struct loop_timer *timer);
bool loop_timer_is_set(const struct loop_timer *timer);
void loop_timer_close(struct loop_timer *timer);

/* Work to do at the end of this turn; scheduling twice runs it once. What is scheduled by a
 * deferred function runs at the end of the next turn, so that no two of them can starve the
 * descriptors. */
struct loop_defer;
typedef void (*loop_defer_fn)(void *data);
struct loop_defer {
	struct loop *loop;
	struct list link; /* loop.defers while scheduled */
	loop_defer_fn fn;
	void *data;
};

void loop_defer_open(struct loop_defer *defer, struct loop *loop, loop_defer_fn fn, void *data);
void loop_defer_schedule(struct loop_defer *defer);
void loop_defer_close(struct loop_defer *defer);

/* Unix signals, delivered on the loop. */
struct loop_signal;
typedef void (*loop_signal_fn)(void *data, int signo);
struct loop_signal {
	struct loop *loop;
	struct event *event;
	loop_signal_fn fn;
	void *data;
};

int loop_signal_open(struct loop_signal *sig, struct loop *loop, int signo, loop_signal_fn fn,
		     void *data);
void loop_signal_close(struct loop_signal *sig);

/* Frees p with fn after the current turn. Embed the grave so that it cannot fail. */
struct loop_grave {
	struct list link; /* loop.graves */
	void (*fn)(void *p);
	void *p;
};
void loop_bury(struct loop *loop, struct loop_grave *grave, void (*fn)(void *p), void *p);

/* Runs fn(data) on the loop's thread soon. The only call that any thread may make; the letter is
 * the caller's until fn is called, so that posting cannot fail. */
struct loop_letter {
	struct list link; /* loop.letters */
	void (*fn)(void *data);
	void *data;
};
void loop_post(struct loop *loop, struct loop_letter *letter, void (*fn)(void *data), void *data);

struct loop *loop_new(struct err *err);
void loop_free(struct loop *loop); /* everything opened on it must be closed */
int loop_run(struct loop *loop); /* until loop_quit(); returns its status */
void loop_quit(struct loop *loop, int status);
uint64_t loop_now_ms(struct loop *loop); /* CLOCK_MONOTONIC, read once per turn */

/* How long turns took, in microseconds of wall time less run-queue wait. */
struct loop_stats {
	uint64_t turns;
	unsigned worst_us; /* since the start */
	unsigned recent_worst_us; /* since the last loop_stats() call */
};
void loop_stats(struct loop *loop, struct loop_stats *ret);
