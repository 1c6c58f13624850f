/* SPDX-License-Identifier: MIT */
#include "daemon/worker/parting.h"

#include <stdlib.h>

#define PARTING_MS 1500

struct parting {
	struct list link; /* partings.all */
	struct partings *owner;
	struct session *session;
	struct session_request last; /* answered after all the others */
	struct loop_timer limit;
	parting_fn on_over;
	void *data;
	struct loop_grave grave;
};

static void over(struct parting *p)
{
	list_remove(&p->link);
	loop_timer_close(&p->limit);
	session_forget(p->session, &p->last);
	session_close(p->session);
	loop_bury(p->owner->loop, &p->grave, free, p);
	p->on_over(p->data);
}

static void on_answer(void *data, const struct session_answer *answer)
{
	over(data);
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

struct parting *parting_new(struct partings *ps, struct session *s, parting_fn on_over, void *data)
{
	struct parting *p = calloc(1, sizeof(*p));

	if (!p || loop_timer_open(&p->limit, ps->loop, on_limit, p) < 0) {
		free(p);
		session_close(s);
		return NULL;
	}
	p->owner = ps;
	p->session = s;
	p->on_over = on_over;
	p->data = data;
	list_append(&ps->all, &p->link);
	session_set_ops(s, &session_ops, p);
	session_probe(s, &p->last, on_answer, p);
	loop_timer_set(&p->limit, PARTING_MS);
	return p;
}
