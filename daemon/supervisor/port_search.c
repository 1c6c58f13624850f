/* SPDX-License-Identifier: MIT */
#include "daemon/supervisor/port_search.h"

#include <stdlib.h>
#include <unistd.h>

#include "lib/util.h"

struct port_batch {
	struct port_search *search;
	struct offload_job *job;
	size_t count;
	struct port_question *askers[PORT_SEARCH_MAX]; /* NULL: forgotten meanwhile */
	struct port_owner owners[PORT_SEARCH_MAX]; /* the thread's while it works */
};

static void work(void *data)
{
	struct port_batch *b = data;

	port_owners_find(b->owners, b->count);
}

static void answer(struct port_search *s, struct port_question *q, const struct port_owner *owner)
{
	struct err why;

	q->batch = NULL;
	port_owner_explain(owner, s->is_root, &why);
	s->on_answer(q, &why);
}

static void on_worked(void *data)
{
	struct port_batch *b = data;
	struct port_search *s = b->search;

	s->batch = NULL;
	for (size_t i = 0; i < b->count; i++) {
		if (b->askers[i])
			answer(s, b->askers[i], &b->owners[i]);
	}
	free(b);
	if (!list_is_empty(&s->waiting))
		loop_defer_schedule(&s->start);
}

/* Nobody can look: says so without a name. */
static void answer_blindly(struct port_search *s)
{
	struct port_question *q;

	while ((q = list_first(&s->waiting, struct port_question, link))) {
		list_remove(&q->link);
		answer(s, q, &(struct port_owner){ .address = q->address });
	}
}

static struct port_batch *batch_new(struct port_search *s)
{
	struct port_batch *b = calloc(1, sizeof(*b));
	struct port_question *q;

	if (!b)
		return NULL;
	b->search = s;
	list_for_each (q, &s->waiting, link) {
		if (b->count == PORT_SEARCH_MAX)
			break;
		b->askers[b->count] = q;
		b->owners[b->count++].address = q->address;
	}
	b->job = offload_submit(s->disk, work, on_worked, free, b);
	if (b->job)
		return b;
	free(b);
	return NULL;
}

static void on_start(void *data)
{
	struct port_search *s = data;

	if (s->batch || list_is_empty(&s->waiting))
		return;
	s->batch = batch_new(s);
	if (!s->batch) {
		answer_blindly(s);
		return;
	}
	for (size_t i = 0; i < s->batch->count; i++) {
		list_remove(&s->batch->askers[i]->link);
		s->batch->askers[i]->batch = s->batch;
	}
}

void port_question_init(struct port_question *q)
{
	*q = (struct port_question){ 0 };
	list_init(&q->link);
}

bool port_question_is_open(const struct port_question *q)
{
	return q->batch || !list_is_empty(&q->link);
}

void port_search_ask(struct port_search *s, struct port_question *q, const struct address *address)
{
	if (port_question_is_open(q))
		return;
	q->address = *address;
	list_append(&s->waiting, &q->link);
	loop_defer_schedule(&s->start);
}

void port_question_forget(struct port_question *q)
{
	list_remove(&q->link);
	for (size_t i = 0; q->batch && i < q->batch->count; i++) {
		if (q->batch->askers[i] == q)
			q->batch->askers[i] = NULL;
	}
	q->batch = NULL;
}

void port_search_init(struct port_search *s, struct loop *loop, struct offload *disk,
		      void (*on_answer)(struct port_question *q, const struct err *why))
{
	*s = (struct port_search){ .disk = disk,
				   .is_root = geteuid() == 0,
				   .on_answer = on_answer };
	list_init(&s->waiting);
	loop_defer_open(&s->start, loop, on_start, s);
}

void port_search_fini(struct port_search *s)
{
	if (s->batch)
		offload_cancel(s->batch->job);
	loop_defer_close(&s->start);
}
