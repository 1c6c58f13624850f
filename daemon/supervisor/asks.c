/* SPDX-License-Identifier: MIT */
#include "daemon/supervisor/asks.h"

#include <string.h>

#include "daemon/common/wire.h"
#include "daemon/supervisor/worker.h"
#include "lib/util.h"

#define TICK_MS 250

uint64_t asks_next_call(struct asks *as)
{
	return as->last_call + 1;
}

int ask(struct asks *as, struct ask *ask, struct worker *w, json_t *message, uint64_t patience_ms)
{
	ask->call = ++as->last_call;
	if (worker_send(w, message, NULL, 0) < 0)
		return -1;
	ask->owner = as;
	ask->worker = w;
	ask->due_ms = monotonic_ms() + patience_ms;
	list_append(&as->open, &ask->link);
	if (!loop_timer_is_set(&as->clock))
		loop_timer_set(&as->clock, TICK_MS);
	return 0;
}

bool ask_is_open(const struct ask *ask)
{
	return ask->owner;
}

void ask_forget(struct ask *ask)
{
	if (!ask->owner)
		return;
	list_remove(&ask->link);
	ask->owner = NULL;
}

static void fail(struct ask *ask, const struct err *why)
{
	ask_forget(ask);
	ask->on_failed(ask, why);
}

static void on_clock(void *data)
{
	struct asks *as = data;
	uint64_t now = monotonic_ms();
	struct ask *ask;
	struct err err;

	list_for_each (ask, &as->open, link) {
		if (now < ask->due_ms)
			continue;
		err_set(&err, ERR_TIMEOUT, "worker %u does not answer", ask->worker->index);
		fail(ask, &err);
	}
	if (!list_is_empty(&as->open))
		loop_timer_set(&as->clock, TICK_MS);
}

/* ---- what workers say ---- */

static const char *const answers[] = { "connections", "killed", "connected" };

bool asks_know(const char *type)
{
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
		if (strcmp(answers[i], type) == 0)
			return true;
	}
	return false;
}

static struct ask *find(struct asks *as, uint64_t call)
{
	struct ask *ask;

	list_for_each (ask, &as->open, link) {
		if (ask->call == call)
			return ask;
	}
	return NULL;
}

/* Every answer has a "call", whatever else it has. */
static int read_call(const struct asks *as, json_t *message, uint64_t *ret, struct err *err)
{
	if (wire_read_about_call(message, ret, err) < 0)
		return -1;
	if (*ret == 0 || *ret > as->last_call)
		return err_set(err, ERR_PROTOCOL, "it answers what it was not asked");
	return 0;
}

int asks_handle(struct asks *as, struct worker *w, const char *type, json_t *message,
		struct err *err)
{
	struct ask *ask;
	uint64_t call;

	if (read_call(as, message, &call, err) < 0)
		return -1;
	ask = find(as, call);
	if (!ask)
		return 0; /* who asked has left, or has waited for too long */
	if (ask->worker != w || strcmp(ask->answer, type) != 0)
		return err_set(err, ERR_PROTOCOL, "it answers what it was not asked");
	ask_forget(ask);
	return ask->on_answer(ask, message, err);
}

void asks_on_worker_dead(struct asks *as, const struct worker *w, const struct err *why)
{
	struct ask *ask;
	struct err err;

	err_set(&err, ERR_WORKER, "%s", why ? why->msg : "the worker was sent home");
	list_for_each (ask, &as->open, link) {
		if (ask->worker == w)
			fail(ask, &err);
	}
}

int asks_init(struct asks *as, struct loop *loop)
{
	*as = (struct asks){ .loop = loop };
	list_init(&as->open);
	return loop_timer_open(&as->clock, loop, on_clock, as);
}

void asks_fini(struct asks *as)
{
	loop_timer_close(&as->clock);
}
