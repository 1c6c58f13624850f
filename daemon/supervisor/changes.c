/* SPDX-License-Identifier: MIT */
#include "daemon/supervisor/changes.h"

#include <stdlib.h>

#include "daemon/common/log.h"
#include "daemon/supervisor/client.h"
#include "daemon/supervisor/supervisor.h"

#define PATIENCE_MS 3000 /* a server has 2 s to say that it listens no more */

struct change_caller {
	struct list link; /* change.callers */
	struct call *call;
};

static void on_caller_gone(void *data)
{
	struct change_caller *caller = data;

	list_remove(&caller->link);
	free(caller);
}

int change_join(struct change *c, struct call *call)
{
	struct change_caller *caller;

	if (!call)
		return 0;
	caller = calloc(1, sizeof(*caller));
	if (!caller)
		return -1;
	caller->call = call;
	list_append(&c->callers, &caller->link);
	call_defer(call, on_caller_gone, caller);
	return 0;
}

static struct call *next_call(struct change *c)
{
	struct change_caller *caller = list_first(&c->callers, struct change_caller, link);
	struct call *call;

	if (!caller)
		return NULL;
	call = caller->call;
	list_remove(&caller->link);
	free(caller);
	return call;
}

void change_reply(struct change *c, json_t *parameters)
{
	c->is_done = true;
	c->reply = parameters;
}

static void deliver_reply(struct change *c)
{
	struct call *call;

	if (c->ops->describe)
		c->reply = c->ops->describe(c->owner->supervisor, c);
	while ((call = next_call(c)))
		call_reply(call, json_incref(c->reply));
}

void change_error(struct change *c, const char *error, json_t *parameters)
{
	struct call *call;

	while ((call = next_call(c)))
		call_error(call, error, json_incref(parameters));
	json_decref(parameters);
}

static void change_free(struct change *c)
{
	struct change_caller *caller;

	list_for_each (caller, &c->callers, link)
		on_caller_gone(caller);
	list_remove(&c->link);
	c->ops->free(c->data);
	json_decref(c->reply);
	free(c);
}

static void end_current(struct changes *cs)
{
	change_free(TAKE(cs->current));
	loop_defer_schedule(&cs->next);
}

static void work(void *data)
{
	struct change *c = data;

	c->ops->work(c);
	closep(&c->hold);
}

static void on_worked(void *data)
{
	struct change *c = data;

	c->job = NULL;
	c->ops->finish(c->owner->supervisor, c);
	if (!c->is_done) {
		end_current(c->owner);
		return;
	}
	loop_timer_set(&c->owner->patience, PATIENCE_MS);
	sync_nudge(&c->owner->supervisor->sync);
}

void changes_settled(struct changes *cs)
{
	if (!cs->current || !cs->current->is_done)
		return;
	loop_timer_stop(&cs->patience);
	deliver_reply(cs->current);
	end_current(cs);
}

static void on_patience_over(void *data)
{
	changes_settled(data);
}

/* Only when the daemon ends while a thread still works: the thread is done with it now. */
static void on_canceled(void *data)
{
	struct change *c = data;

	closep(&c->hold);
	c->ops->free(c->data);
	free(c);
}

static void begin_next(void *data)
{
	struct changes *cs = data;
	struct change *c = list_first(&cs->queue, struct change, link);

	if (cs->current || !c)
		return;
	list_remove(&c->link);
	cs->current = c;
	if (!c->ops->begin(cs->supervisor, c)) {
		end_current(cs);
		return;
	}
	c->hold = leash_hold(cs->supervisor->source.leash);
	c->job = offload_submit(cs->supervisor->disk, work, on_worked, on_canceled, c);
	if (c->job)
		return;
	log_warning("out of threads: '%s' is done at once", c->ops->name);
	work(c);
	on_worked(c);
}

int changes_init(struct changes *cs, struct supervisor *s)
{
	*cs = (struct changes){ .supervisor = s };
	list_init(&cs->queue);
	loop_defer_open(&cs->next, s->loop, begin_next, cs);
	return loop_timer_open(&cs->patience, s->loop, on_patience_over, cs);
}

void changes_fini(struct changes *cs)
{
	struct change *c;

	if (!cs->supervisor)
		return;
	if (cs->current && cs->current->job)
		offload_cancel(cs->current->job); /* frees it when its thread is done */
	else if (cs->current)
		change_free(cs->current);
	list_for_each (c, &cs->queue, link)
		change_free(c);
	loop_defer_close(&cs->next);
	loop_timer_close(&cs->patience);
	*cs = (struct changes){ 0 };
}

int changes_add(struct changes *cs, const struct change_ops *ops, void *data, struct call *call)
{
	struct change *c = calloc(1, sizeof(*c));

	if (!c) {
		ops->free(data);
		return -1;
	}
	*c = (struct change){ .owner = cs, .ops = ops, .data = data, .hold = -1 };
	list_init(&c->link);
	list_init(&c->callers);
	if (change_join(c, call) < 0) {
		change_free(c);
		return -1;
	}
	list_append(&cs->queue, &c->link);
	loop_defer_schedule(&cs->next);
	return 0;
}

struct change *changes_find_waiting(struct changes *cs, const struct change_ops *ops)
{
	struct change *c;

	list_for_each (c, &cs->queue, link) {
		if (c->ops == ops)
			return c;
	}
	return NULL;
}
