/* SPDX-License-Identifier: MIT */
/*
 * What the loop promises beyond libevent: the order within a turn, that deferred work starves
 * nobody, that what is closed lives until the turn ends, letters from other threads, and a meter
 * that sees what kept the loop from listening and not what it slept.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/common/loop.h"
#include "lib/util.h"
#include "tests/unit/real_loop.h"

static struct loop *loop;
static char trace[64]; /* what happened, a letter each */

static void note(char c)
{
	size_t n = strlen(trace);

	assert_true(n + 1 < sizeof(trace));
	trace[n] = c;
}

static int set_up(void **state)
{
	loop = real_loop_new();
	memset(trace, 0, sizeof(trace));
	return 0;
}

static int tear_down(void **state)
{
	loop_free(loop);
	return 0;
}

/* ---- running ---- */

static void on_quit(void *data)
{
	loop_quit(loop, *(int *)data);
}

static void test_quit_ends_with_its_status(void **state)
{
	struct loop_timer timer;
	int status = 7;

	assert_int_equal(loop_timer_open(&timer, loop, on_quit, &status), 0);
	loop_timer_set(&timer, 0);
	assert_int_equal(loop_run(loop), 7);
	status = 0;
	loop_timer_set(&timer, 0);
	assert_int_equal(loop_run(loop), 0);
	loop_timer_close(&timer);
}

/* ---- timers ---- */

struct timer {
	struct loop_timer timer;
	char name;
	uint64_t earliest_ms;
	unsigned again; /* times it sets itself again */
	bool quits;
};

static void on_timer(void *data)
{
	struct timer *t = data;

	assert_false(loop_timer_is_set(&t->timer));
	/* The kernel's coarse clock, which libevent reads, may be a tick (at most 10 ms) ahead. */
	assert_true(monotonic_ms() + 10 >= t->earliest_ms);
	note(t->name);
	if (t->again > 0) {
		t->again--;
		loop_timer_set(&t->timer, 1);
	} else if (t->quits) {
		loop_quit(loop, 0);
	}
}

static void timer_start(struct timer *t, char name, unsigned delay_ms)
{
	*t = (struct timer){ .name = name, .earliest_ms = monotonic_ms() + delay_ms };
	assert_int_equal(loop_timer_open(&t->timer, loop, on_timer, t), 0);
	assert_false(loop_timer_is_set(&t->timer));
	loop_timer_set(&t->timer, delay_ms);
	assert_true(loop_timer_is_set(&t->timer));
}

static void test_timers_come_in_their_order(void **state)
{
	struct timer timers[3];

	timer_start(&timers[0], 'c', 400);
	timer_start(&timers[1], 'a', 20);
	timer_start(&timers[2], 'b', 200);
	timers[0].quits = true;
	real_loop_run(loop);
	assert_string_equal(trace, "abc");
	for (size_t i = 0; i < 3; i++)
		loop_timer_close(&timers[i].timer);
}

static void test_timers_can_be_stopped_and_moved(void **state)
{
	struct timer stopped, closed, moved, again;

	timer_start(&stopped, 's', 1);
	timer_start(&closed, 'x', 1);
	timer_start(&moved, 'm', 1);
	timer_start(&again, 'a', 1);
	loop_timer_stop(&stopped.timer);
	assert_false(loop_timer_is_set(&stopped.timer));
	loop_timer_close(&closed.timer);
	again.again = 3;
	moved.quits = true;
	moved.earliest_ms = monotonic_ms() + 400;
	loop_timer_set(&moved.timer, 400);
	real_loop_run(loop);
	assert_string_equal(trace, "aaaam");
	loop_timer_close(&stopped.timer);
	loop_timer_close(&moved.timer);
	loop_timer_close(&again.timer);
	loop_timer_close(&again.timer); /* twice is fine */
}

/* ---- deferred work ---- */

struct work {
	struct loop_defer defer;
	char name;
	struct work *schedules, *closes;
};

static void on_work(void *data)
{
	struct work *w = data;

	note(w->name);
	if (w->schedules)
		loop_defer_schedule(&w->schedules->defer);
	if (w->closes)
		loop_defer_close(&w->closes->defer);
}

static void work_open(struct work *w, char name)
{
	*w = (struct work){ .name = name };
	loop_defer_open(&w->defer, loop, on_work, w);
}

static void test_deferred_work_runs_once_and_in_order(void **state)
{
	struct work a, b, c, d;

	work_open(&a, 'a');
	work_open(&b, 'b');
	work_open(&c, 'c');
	work_open(&d, 'd');
	a.schedules = &a; /* comes again in the next turn */
	b.closes = &c;
	b.schedules = &d; /* is in this turn already */
	loop_defer_schedule(&a.defer);
	loop_defer_schedule(&b.defer);
	loop_defer_schedule(&c.defer);
	loop_defer_schedule(&d.defer);
	loop_defer_schedule(&a.defer);
	assert_string_equal(trace, "");
	real_loop_turns(loop, 1);
	assert_string_equal(trace, "abda");
	loop_defer_close(&a.defer);
	loop_defer_close(&b.defer);
	loop_defer_close(&d.defer);
	loop_defer_close(&d.defer);
	real_loop_turns(loop, 2);
	assert_string_equal(trace, "abda");
}

/* ---- descriptors ---- */

static struct loop_io io;
static int pair[2];
static unsigned ready_count;

static void pair_open(void)
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair),
			 0);
	ready_count = 0;
}

static void pair_close(void)
{
	loop_io_close(&io);
	loop_io_close(&io); /* twice is fine */
	closep(&pair[0]);
	closep(&pair[1]);
}

static void on_ready(void *data, unsigned ready)
{
	ready_count++;
	note(ready == LOOP_READ ? 'r' : 'w');
	if (data)
		loop_io_close(data);
}

static void test_only_what_is_wanted_is_told(void **state)
{
	pair_open();
	assert_int_equal(loop_io_open(&io, loop, pair[0], 0, on_ready, NULL), 0);
	assert_int_equal(write(pair[1], "x", 1), 1);
	real_loop_turns(loop, 2);
	assert_int_equal(ready_count, 0);
	loop_io_want(&io, LOOP_WRITE);
	real_loop_turns(loop, 0);
	assert_string_equal(trace, "w");
	loop_io_want(&io, LOOP_READ);
	real_loop_turns(loop, 1); /* level-triggered: every turn */
	assert_string_equal(trace, "wrr");
	loop_io_want(&io, 0);
	real_loop_turns(loop, 2);
	assert_int_equal(ready_count, 3);
	pair_close();
}

/* Ready for both, closed by the first callback. */
static void test_nothing_comes_after_close(void **state)
{
	pair_open();
	assert_int_equal(loop_io_open(&io, loop, pair[0], LOOP_READ | LOOP_WRITE, on_ready, &io),
			 0);
	assert_int_equal(write(pair[1], "x", 1), 1);
	real_loop_turns(loop, 3);
	assert_int_equal(ready_count, 1);
	loop_io_want(&io, LOOP_READ); /* on a closed one: nothing */
	pair_close();
}

static void test_deferred_work_starves_no_descriptor(void **state)
{
	struct work forever;

	pair_open();
	work_open(&forever, 'f');
	forever.schedules = &forever;
	assert_int_equal(loop_io_open(&io, loop, pair[0], LOOP_READ, on_ready, NULL), 0);
	assert_int_equal(write(pair[1], "x", 1), 1);
	loop_defer_schedule(&forever.defer);
	real_loop_turns(loop, 3);
	assert_string_equal(trace, "rfrfrfrf");
	loop_defer_close(&forever.defer);
	pair_close();
}

/* ---- the graveyard ---- */

struct corpse {
	struct loop_grave grave;
	struct loop_defer defer;
};

static void on_burial(void *p)
{
	note('b');
	free(p);
}

static void on_death(void *data)
{
	struct corpse *c = data;

	loop_bury(loop, &c->grave, on_burial, c);
	note('d'); /* c still lives */
	loop_defer_close(&c->defer);
}

static void test_the_buried_live_until_the_turn_ends(void **state)
{
	struct corpse *c = calloc(1, sizeof(*c));
	struct work after;

	assert_non_null(c);
	loop_defer_open(&c->defer, loop, on_death, c);
	work_open(&after, 'a');
	loop_defer_schedule(&c->defer);
	loop_defer_schedule(&after.defer);
	after.schedules = &after;
	real_loop_turns(loop, 1);
	assert_string_equal(trace, "daba");
	loop_defer_close(&after.defer);
}

static void test_free_buries_what_is_left(void **state)
{
	struct corpse *c = calloc(1, sizeof(*c));
	struct loop *other = real_loop_new();

	assert_non_null(c);
	loop_bury(other, &c->grave, on_burial, c);
	loop_free(other);
	assert_string_equal(trace, "b");
	loop_free(NULL);
}

/* ---- signals ---- */

static void on_signal(void *data, int signo)
{
	note(signo == SIGUSR1 ? '1' : '2');
	loop_quit(loop, 0);
}

static void test_signals_come_from_the_loop(void **state)
{
	struct loop_signal one, two;

	assert_int_equal(loop_signal_open(&one, loop, SIGUSR1, on_signal, NULL), 0);
	assert_int_equal(loop_signal_open(&two, loop, SIGUSR2, on_signal, NULL), 0);
	raise(SIGUSR1);
	assert_string_equal(trace, "");
	real_loop_run(loop);
	raise(SIGUSR2);
	real_loop_run(loop);
	assert_string_equal(trace, "12");
	loop_signal_close(&one);
	loop_signal_close(&two);
}

/* ---- letters ---- */

#define SENDERS 4
#define LETTERS 500

static struct loop_letter letters[SENDERS][LETTERS];
static unsigned delivered[SENDERS], delivered_total;
static bool in_order;
static pthread_t loop_thread;

static void on_letter(void *data)
{
	struct loop_letter *letter = data;
	size_t n = (size_t)(letter - &letters[0][0]);

	assert_true(pthread_equal(pthread_self(), loop_thread));
	in_order &= delivered[n / LETTERS]++ == n % LETTERS;
	if (++delivered_total == SENDERS * LETTERS)
		loop_quit(loop, 0);
}

static void *sender_main(void *data)
{
	struct loop_letter *mine = data;

	for (size_t i = 0; i < LETTERS; i++)
		loop_post(loop, &mine[i], on_letter, &mine[i]);
	return NULL;
}

static void test_letters_from_other_threads(void **state)
{
	pthread_t threads[SENDERS];

	memset(delivered, 0, sizeof(delivered));
	delivered_total = 0;
	in_order = true;
	loop_thread = pthread_self();
	for (size_t i = 0; i < SENDERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, sender_main, letters[i]), 0);
	real_loop_run(loop);
	for (size_t i = 0; i < SENDERS; i++)
		pthread_join(threads[i], NULL);
	assert_true(in_order);
	assert_int_equal(delivered_total, SENDERS * LETTERS);
}

/* ---- the meter ---- */

#define BUSY_MS 150

static void on_busy(void *data)
{
	struct timespec cpu;
	clockid_t clock = CLOCK_THREAD_CPUTIME_ID;
	uint64_t start, now;

	clock_gettime(clock, &cpu);
	now = start = (uint64_t)cpu.tv_sec * 1000 + (uint64_t)cpu.tv_nsec / 1000000;
	while (now < start + BUSY_MS) {
		clock_gettime(clock, &cpu);
		now = (uint64_t)cpu.tv_sec * 1000 + (uint64_t)cpu.tv_nsec / 1000000;
	}
	loop_quit(loop, 0);
}

static void on_idle_end(void *data)
{
	loop_quit(loop, 0);
}

static void run_timer(void (*fn)(void *data), unsigned delay_ms)
{
	struct loop_timer timer;

	assert_int_equal(loop_timer_open(&timer, loop, fn, NULL), 0);
	loop_timer_set(&timer, delay_ms);
	real_loop_run(loop);
	loop_timer_close(&timer);
}

static void test_the_meter_sees_a_busy_callback(void **state)
{
	struct loop_stats stats;

	run_timer(on_busy, 1);
	loop_stats(loop, &stats);
	assert_true(stats.worst_us >= BUSY_MS * 1000 / 2);
	assert_true(stats.recent_worst_us == stats.worst_us);
	assert_true(stats.turns > 0);
	loop_stats(loop, &stats);
	assert_int_equal(stats.recent_worst_us, 0); /* asked for: forgotten */
	assert_true(stats.worst_us >= BUSY_MS * 1000 / 2);
}

static void test_the_meter_does_not_see_sleep(void **state)
{
	struct loop_stats stats;

	run_timer(on_idle_end, BUSY_MS);
	loop_stats(loop, &stats);
	assert_true(stats.worst_us < BUSY_MS * 1000 / 2);
}

static unsigned times;

static void on_time(void *data)
{
	uint64_t now_ms = loop_now_ms(loop);

	assert_in_range(now_ms, monotonic_ms() - 10000, monotonic_ms());
	times++;
	on_busy(NULL);
	assert_int_equal(loop_now_ms(loop), now_ms); /* one time a turn */
}

static void test_time_stands_still_within_a_turn(void **state)
{
	uint64_t before, now;

	times = 0;
	run_timer(on_time, 1);
	assert_int_equal(times, 1);
	before = monotonic_ms();
	now = loop_now_ms(loop);
	assert_in_range(now, before, monotonic_ms());
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_quit_ends_with_its_status),
		CASE(test_timers_come_in_their_order),
		CASE(test_timers_can_be_stopped_and_moved),
		CASE(test_deferred_work_runs_once_and_in_order),
		CASE(test_only_what_is_wanted_is_told),
		CASE(test_nothing_comes_after_close),
		CASE(test_deferred_work_starves_no_descriptor),
		CASE(test_the_buried_live_until_the_turn_ends),
		CASE(test_free_buries_what_is_left),
		CASE(test_signals_come_from_the_loop),
		CASE(test_letters_from_other_threads),
		CASE(test_the_meter_sees_a_busy_callback),
		CASE(test_the_meter_does_not_see_sleep),
		CASE(test_time_stands_still_within_a_turn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
