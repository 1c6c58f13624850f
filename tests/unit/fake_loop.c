/* SPDX-License-Identifier: MIT */
#include "tests/unit/fake_loop.h"

#include <stdlib.h>

#include "lib/util.h"

#define TIMERS_MAX 64

struct loop {
	uint64_t now_ms;
	struct list defers, graves;
	struct loop_timer *timers[TIMERS_MAX];
	size_t timer_count;
};

struct loop *fake_loop_new(void)
{
	struct loop *loop = calloc(1, sizeof(*loop));

	loop->now_ms = 1000000;
	list_init(&loop->defers);
	list_init(&loop->graves);
	return loop;
}

static void settle(struct loop *loop)
{
	struct loop_defer *defer;
	struct loop_grave *grave;

	while ((defer = list_first(&loop->defers, struct loop_defer, link))) {
		list_remove(&defer->link);
		defer->fn(defer->data);
	}
	while ((grave = list_first(&loop->graves, struct loop_grave, link))) {
		list_remove(&grave->link);
		grave->fn(grave->p);
	}
}

void fake_loop_free(struct loop *loop)
{
	settle(loop);
	free(loop);
}

static struct loop_timer *next_timer(struct loop *loop, uint64_t until_ms)
{
	struct loop_timer *next = NULL;

	for (size_t i = 0; i < loop->timer_count; i++) {
		struct loop_timer *t = loop->timers[i];

		if (t->due_ms && t->due_ms <= until_ms && (!next || t->due_ms < next->due_ms))
			next = t;
	}
	return next;
}

void fake_loop_advance(struct loop *loop, unsigned ms)
{
	uint64_t until_ms = loop->now_ms + ms;
	struct loop_timer *timer;

	settle(loop);
	while ((timer = next_timer(loop, until_ms))) {
		loop->now_ms = MAX(loop->now_ms, timer->due_ms);
		timer->due_ms = 0;
		timer->on_due(timer->data);
		settle(loop);
	}
	loop->now_ms = until_ms;
}

void fake_loop_sleep(struct loop *loop, unsigned ms)
{
	loop->now_ms += ms;
	fake_loop_advance(loop, 0);
}

uint64_t loop_now_ms(struct loop *loop)
{
	return loop->now_ms;
}

int loop_timer_open(struct loop_timer *timer, struct loop *loop, loop_timer_fn fn, void *data)
{
	if (loop->timer_count == TIMERS_MAX)
		return -1;
	*timer = (struct loop_timer){ .loop = loop, .on_due = fn, .data = data };
	timer->event = (struct event *)timer; /* only told from NULL */
	loop->timers[loop->timer_count++] = timer;
	return 0;
}

void loop_timer_set(struct loop_timer *timer, unsigned delay_ms)
{
	timer->due_ms = timer->loop->now_ms + delay_ms;
}

void loop_timer_stop(struct loop_timer *timer)
{
	timer->due_ms = 0;
}

bool loop_timer_is_set(const struct loop_timer *timer)
{
	return timer->due_ms != 0;
}

void loop_timer_close(struct loop_timer *timer)
{
	struct loop *loop = timer->loop;

	for (size_t i = 0; loop && i < loop->timer_count; i++) {
		if (loop->timers[i] == timer)
			loop->timers[i--] = loop->timers[--loop->timer_count];
	}
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

void loop_bury(struct loop *loop, struct loop_grave *grave, void (*fn)(void *p), void *p)
{
	grave->fn = fn;
	grave->p = p;
	list_append(&loop->graves, &grave->link);
}
