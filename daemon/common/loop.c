/* SPDX-License-Identifier: MIT */
#include "daemon/common/loop.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/util.h"

#define SLOW_TURN_US 5000 /* shorter turns are not worth asking the kernel about */
#define BASELINE_US 50000 /* how old a reading of the run-queue wait may be */

struct loop {
	struct event_base *base;
	struct list defers;
	struct list graves;

	pthread_mutex_t letters_lock;
	struct list letters;
	int wake_fd; /* eventfd: letters are there */
	struct loop_io wake_io;

	bool quit;
	int status;

	bool in_turn;
	uint64_t turn_us; /* when this turn's first callback started */
	int schedstat_fd; /* this thread's; -1: the kernel has none */
	uint64_t waited_us; /* run-queue wait at baseline_us */
	uint64_t baseline_us;
	struct loop_stats stats;
};

/* Microseconds this thread has been runnable without a CPU (Documentation/scheduler/sched-stats).
 */
static uint64_t run_queue_wait_us(const struct loop *loop)
{
	char text[96];
	unsigned long long ran, waited;
	ssize_t n;

	if (loop->schedstat_fd < 0)
		return 0;
	n = pread(loop->schedstat_fd, text, sizeof(text) - 1, 0);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	return sscanf(text, "%llu %llu", &ran, &waited) == 2 ? waited / 1000 : 0;
}

/* Every callback of ours passes here: the first one of a turn starts its clock. */
static void turn_begin(struct loop *loop)
{
	if (loop->in_turn)
		return;
	loop->in_turn = true;
	loop->turn_us = monotonic_us();
	if (loop->turn_us - loop->baseline_us > BASELINE_US) {
		loop->baseline_us = loop->turn_us;
		loop->waited_us = run_queue_wait_us(loop);
	}
}

static void turn_end(struct loop *loop)
{
	uint64_t took, waited;

	if (!loop->in_turn)
		return;
	loop->in_turn = false;
	loop->stats.turns++;
	took = monotonic_us() - loop->turn_us;
	if (took < SLOW_TURN_US && took <= loop->stats.recent_worst_us)
		return;
	if (took >= SLOW_TURN_US) {
		waited = run_queue_wait_us(loop) - loop->waited_us;
		took = waited < took ? took - waited : 0;
	}
	loop->stats.worst_us = MAX(loop->stats.worst_us, (unsigned)took);
	loop->stats.recent_worst_us = MAX(loop->stats.recent_worst_us, (unsigned)took);
}

static void on_read(evutil_socket_t fd, short what, void *data)
{
	struct loop_io *io = data;

	turn_begin(io->loop);
	io->on_ready(io->data, LOOP_READ);
}

static void on_write(evutil_socket_t fd, short what, void *data)
{
	struct loop_io *io = data;

	turn_begin(io->loop);
	io->on_ready(io->data, LOOP_WRITE);
}

int loop_io_open(struct loop_io *io, struct loop *loop, int fd, unsigned interest, loop_io_fn fn,
		 void *data)
{
	*io = (struct loop_io){ .loop = loop, .fd = fd, .on_ready = fn, .data = data };
	io->read = event_new(loop->base, fd, EV_READ | EV_PERSIST, on_read, io);
	io->write = event_new(loop->base, fd, EV_WRITE | EV_PERSIST, on_write, io);
	if (!io->read || !io->write) {
		loop_io_close(io);
		return -1;
	}
	loop_io_want(io, interest);
	return 0;
}

static void want(struct event *event, bool before, bool now)
{
	if (before == now)
		return;
	if (now)
		event_add(event, NULL);
	else
		event_del(event);
}

void loop_io_want(struct loop_io *io, unsigned interest)
{
	if (!io->loop || io->interest == interest)
		return;
	want(io->read, io->interest & LOOP_READ, interest & LOOP_READ);
	want(io->write, io->interest & LOOP_WRITE, interest & LOOP_WRITE);
	io->interest = interest;
}

void loop_io_close(struct loop_io *io)
{
	if (!io->loop)
		return;
	if (io->read)
		event_free(io->read);
	if (io->write)
		event_free(io->write);
	*io = (struct loop_io){ .fd = -1 };
}

static void on_timer(evutil_socket_t fd, short what, void *data)
{
	struct loop_timer *timer = data;

	turn_begin(timer->loop);
	timer->due_ms = 0;
	timer->on_due(timer->data);
}

int loop_timer_open(struct loop_timer *timer, struct loop *loop, loop_timer_fn fn, void *data)
{
	*timer = (struct loop_timer){ .loop = loop, .on_due = fn, .data = data };
	timer->event = event_new(loop->base, -1, 0, on_timer, timer);
	if (!timer->event) {
		timer->loop = NULL;
		return -1;
	}
	return 0;
}

void loop_timer_set(struct loop_timer *timer, unsigned delay_ms)
{
	struct timeval delay = { delay_ms / 1000, delay_ms % 1000 * 1000 };

	timer->due_ms = monotonic_ms() + delay_ms;
	event_add(timer->event, &delay);
}

void loop_timer_stop(struct loop_timer *timer)
{
	if (timer->due_ms)
		event_del(timer->event);
	timer->due_ms = 0;
}

bool loop_timer_is_set(const struct loop_timer *timer)
{
	return timer->due_ms != 0;
}

void loop_timer_close(struct loop_timer *timer)
{
	if (timer->event)
		event_free(timer->event);
	*timer = (struct loop_timer){ 0 };
}

void loop_defer_open(struct loop_defer *defer, struct loop *loop, loop_defer_fn fn, void *data)
{
	*defer = (struct loop_defer){ .loop = loop, .fn = fn, .data = data };
	list_init(&defer->link);
}

void loop_defer_schedule(struct loop_defer *defer)
{
	if (list_is_empty(&defer->link))
		list_append(&defer->loop->defers, &defer->link);
}

void loop_defer_close(struct loop_defer *defer)
{
	if (defer->loop)
		list_remove(&defer->link);
	defer->loop = NULL;
}

static void on_signal(evutil_socket_t signo, short what, void *data)
{
	struct loop_signal *sig = data;

	turn_begin(sig->loop);
	sig->fn(sig->data, signo);
}

int loop_signal_open(struct loop_signal *sig, struct loop *loop, int signo, loop_signal_fn fn,
		     void *data)
{
	*sig = (struct loop_signal){ .loop = loop, .fn = fn, .data = data };
	sig->event = evsignal_new(loop->base, signo, on_signal, sig);
	if (!sig->event || event_add(sig->event, NULL) < 0) {
		loop_signal_close(sig);
		return -1;
	}
	return 0;
}

void loop_signal_close(struct loop_signal *sig)
{
	if (sig->event)
		event_free(sig->event);
	*sig = (struct loop_signal){ 0 };
}

void loop_bury(struct loop *loop, struct loop_grave *grave, void (*fn)(void *p), void *p)
{
	grave->fn = fn;
	grave->p = p;
	list_append(&loop->graves, &grave->link);
}

static void free_graves(struct loop *loop)
{
	struct loop_grave *grave;

	while ((grave = list_first(&loop->graves, struct loop_grave, link))) {
		list_remove(&grave->link);
		grave->fn(grave->p); /* the grave lies inside p */
	}
}

void loop_post(struct loop *loop, struct loop_letter *letter, void (*fn)(void *data), void *data)
{
	uint64_t one = 1;

	letter->fn = fn;
	letter->data = data;
	pthread_mutex_lock(&loop->letters_lock);
	list_append(&loop->letters, &letter->link);
	/* Under the lock: the loop may be gone as soon as its last letter was delivered. */
	while (write(loop->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
	pthread_mutex_unlock(&loop->letters_lock);
}

static struct loop_letter *next_letter(struct loop *loop)
{
	struct loop_letter *letter;

	pthread_mutex_lock(&loop->letters_lock);
	letter = list_first(&loop->letters, struct loop_letter, link);
	if (letter)
		list_remove(&letter->link);
	pthread_mutex_unlock(&loop->letters_lock);
	return letter;
}

static void deliver_letters(struct loop *loop)
{
	struct loop_letter *letter;

	while ((letter = next_letter(loop)))
		letter->fn(letter->data);
}

static void on_wake(void *data, unsigned ready)
{
	struct loop *loop = data;
	uint64_t count;

	if (read(loop->wake_fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		return;
	deliver_letters(loop);
}

static struct event_base *base_new(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base;

	if (!config)
		return NULL;
	event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
	base = event_base_new_with_config(config);
	event_config_free(config);
	return base;
}

struct loop *loop_new(struct err *err)
{
	struct loop *loop = calloc(1, sizeof(*loop));

	if (!loop) {
		err_nomem(err);
		return NULL;
	}
	list_init(&loop->defers);
	list_init(&loop->graves);
	list_init(&loop->letters);
	pthread_mutex_init(&loop->letters_lock, NULL);
	loop->schedstat_fd = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
	loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	loop->base = base_new();
	if (loop->wake_fd < 0 || !loop->base ||
	    loop_io_open(&loop->wake_io, loop, loop->wake_fd, LOOP_READ, on_wake, loop) < 0) {
		err_set_errno(err, ERR_INTERNAL, errno, "cannot start an event loop");
		loop_free(loop);
		return NULL;
	}
	return loop;
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	deliver_letters(loop); /* all of it canceled by now: only frees */
	free_graves(loop);
	loop_io_close(&loop->wake_io);
	closep(&loop->wake_fd);
	closep(&loop->schedstat_fd);
	if (loop->base)
		event_base_free(loop->base);
	pthread_mutex_destroy(&loop->letters_lock);
	free(loop);
}

/* Runs what was scheduled until now; what that schedules waits for the next turn. */
static void run_defers(struct loop *loop)
{
	struct list batch;
	struct loop_defer *defer;

	if (list_is_empty(&loop->defers))
		return;
	turn_begin(loop);
	batch = loop->defers;
	batch.next->prev = batch.prev->next = &batch;
	list_init(&loop->defers);
	while ((defer = list_first(&batch, struct loop_defer, link))) {
		list_remove(&defer->link);
		defer->fn(defer->data);
	}
}

int loop_run(struct loop *loop)
{
	loop->quit = false;
	while (!loop->quit) {
		int flags = EVLOOP_ONCE;

		if (!list_is_empty(&loop->defers))
			flags |= EVLOOP_NONBLOCK;
		if (event_base_loop(loop->base, flags) < 0)
			return -1;
		run_defers(loop);
		free_graves(loop);
		turn_end(loop);
	}
	return loop->status;
}

void loop_quit(struct loop *loop, int status)
{
	loop->quit = true;
	loop->status = status;
}

uint64_t loop_now_ms(struct loop *loop)
{
	return loop->in_turn ? loop->turn_us / 1000 : monotonic_ms();
}

void loop_stats(struct loop *loop, struct loop_stats *ret)
{
	*ret = loop->stats;
	loop->stats.recent_worst_us = 0;
}
