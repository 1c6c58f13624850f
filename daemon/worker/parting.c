/* SPDX-License-Identifier: MIT */
#include "daemon/worker/parting.h"

#include <stdlib.h>

#define PARTING_MS 1500
#define LAST_WORDS_MS 1000 /* for the server to close the channels, */
#define LOOK_AGAIN_MS 10 /* and how often it is asked whether it has */

struct parting {
	struct list link; /* partings.all */
	struct partings *owner;
	struct session *session;
	struct session_request last; /* answered after all the others */
	bool is_answered; /* or there was nothing to ask */
	uint64_t begun_ms;
	struct loop_timer limit;
	struct loop_timer look;
	parting_fn on_over;
	void *data;
	struct loop_grave grave;
};

static void over(struct parting *p)
{
	list_remove(&p->link);
	loop_timer_close(&p->limit);
	loop_timer_close(&p->look);
	session_forget(p->session, &p->last);
	session_close(p->session);
	loop_bury(p->owner->loop, &p->grave, free, p);
	p->on_over(p->data);
}

static void consider(struct parting *p)
{
	uint64_t waited_ms = loop_now_ms(p->owner->loop) - p->begun_ms;

	if (!p->is_answered)
		return;
	if (session_member_count(p->session) == 0 || waited_ms >= LAST_WORDS_MS)
		over(p);
	else
		loop_timer_set(&p->look, LOOK_AGAIN_MS);
}

static void on_answer(void *data, const struct session_answer *answer)
{
	struct parting *p = data;

	p->is_answered = true;
	consider(p);
}

static void on_look(void *data)
{
	consider(data);
}

static void on_limit(void *data)
{
	over(data);
}

static void on_progress(void *data)
{
}

static void on_lost(void *data, const struct err *err)
{
	over(data);
}

static const struct session_ops session_ops = { .on_progress = on_progress, .on_lost = on_lost };

void partings_init(struct partings *ps, struct loop *loop)
{
	ps->loop = loop;
	list_init(&ps->all);
}

void partings_fini(struct partings *ps)
{
	struct parting *p;

	while ((p = list_first(&ps->all, struct parting, link)))
		over(p);
}

bool parting_is_due(const struct session *s)
{
	return session_is_cancelling(s) || session_member_count(s) > 0;
}

static int open_timers(struct parting *p, struct loop *loop)
{
	if (loop_timer_open(&p->limit, loop, on_limit, p) < 0)
		return -1;
	if (loop_timer_open(&p->look, loop, on_look, p) == 0)
		return 0;
	loop_timer_close(&p->limit);
	return -1;
}

struct parting *parting_new(struct partings *ps, struct session *s, parting_fn on_over, void *data)
{
	struct parting *p = calloc(1, sizeof(*p));

	if (!p || open_timers(p, ps->loop) < 0) {
		free(p);
		session_close(s);
		return NULL;
	}
	p->owner = ps;
	p->session = s;
	p->on_over = on_over;
	p->data = data;
	p->begun_ms = loop_now_ms(ps->loop);
	list_append(&ps->all, &p->link);
	session_set_ops(s, &session_ops, p);
	p->is_answered = !session_is_cancelling(s);
	if (!p->is_answered)
		session_probe(s, &p->last, on_answer, p);
	loop_timer_set(&p->limit, PARTING_MS);
	loop_timer_set(&p->look, LOOK_AGAIN_MS);
	return p;
}
