/* SPDX-License-Identifier: MIT */
#include "daemon/worker/command_call.h"

#include <stdlib.h>

#include "lib/util.h"

struct command_call {
	struct list link; /* command_calls.all */
	struct command_calls *owner;
	uint64_t call;
	const struct command_call_ops *ops; /* NULL: released */
	void *data;
	struct loop_timer leave; /* set when it is released and still needed for a while */
	bool is_over; /* the supervisor knows that we have no more to do with it */
	struct err end; /* ERR_NONE: it runs */
	struct loop_grave grave;
};

void command_calls_init(struct command_calls *cs, struct loop *loop, struct report *report)
{
	*cs = (struct command_calls){ .loop = loop, .report = report };
	list_init(&cs->all);
}

static void bury(struct command_call *c)
{
	list_remove(&c->link);
	loop_timer_close(&c->leave);
	loop_bury(c->owner->loop, &c->grave, free, c);
}

void command_calls_fini(struct command_calls *cs)
{
	struct command_call *c;

	if (!cs->loop)
		return;
	while ((c = list_first(&cs->all, struct command_call, link)))
		bury(c);
}

static void say_over(struct command_call *c)
{
	if (!c->is_over)
		report_command_end(c->owner->report, c->call);
	c->is_over = true;
}

static void on_leave(void *data)
{
	struct command_call *c = data;

	say_over(c);
	bury(c);
}

struct command_call *command_call_new(struct command_calls *cs, struct wire_command *wanted,
				      const struct command_call_ops *ops, void *data,
				      struct err *err)
{
	struct command_call *c = calloc(1, sizeof(*c));

	if (!c || loop_timer_open(&c->leave, cs->loop, on_leave, c) < 0) {
		free(c);
		err_nomem(err);
		return NULL;
	}
	c->owner = cs;
	c->call = wanted->call = ++cs->last_call;
	c->ops = ops;
	c->data = data;
	list_append(&cs->all, &c->link);
	report_command(cs->report, wanted);
	return c;
}

void command_call_release(struct command_call *c, unsigned after_ms)
{
	if (!c)
		return;
	c->ops = NULL;
	if (after_ms > 0 && !c->is_over)
		loop_timer_set(&c->leave, after_ms);
	else
		on_leave(c);
}

const struct err *command_call_end(const struct command_call *c)
{
	return c->end.code != ERR_NONE ? &c->end : NULL;
}

static struct command_call *find(const struct command_calls *cs, uint64_t call)
{
	struct command_call *c;

	list_for_each (c, &cs->all, link) {
		if (c->call == call)
			return c;
	}
	return NULL;
}

/* One that was released is not known any more, or wants to hear nothing: its socket is closed. */
int command_calls_started(struct command_calls *cs, json_t *message, int *fds, size_t fd_count,
			  struct err *err)
{
	struct command_call *c;
	struct err error;
	uint64_t call;

	if (wire_read_command_started(message, &call, &error, err) < 0)
		return -1;
	c = find(cs, call);
	if (!c || !c->ops)
		return 0;
	if (error.code == ERR_NONE && fd_count != 1)
		return err_set(err, ERR_PROTOCOL, "a command without its socket");
	if (error.code == ERR_NONE) {
		c->ops->on_started(c->data, TAKE_FD(fds[0]));
		return 0;
	}
	c->is_over = true;
	c->ops->on_failed(c->data, &error);
	return 0;
}

int command_calls_ended(struct command_calls *cs, json_t *message, struct err *err)
{
	struct command_call *c;
	struct err error;
	uint64_t call;

	if (wire_read_command_ended(message, &call, &error, err) < 0)
		return -1;
	c = find(cs, call);
	if (!c)
		return 0;
	c->end = error;
	say_over(c);
	if (!c->ops)
		bury(c);
	return 0;
}
