/* SPDX-License-Identifier: MIT */
/*
 * Questions to workers whose answers somebody waits for: which connections are open, end one, open
 * one. Each has a number that is never given twice, a worker that alone may answer it, and a
 * deadline; so an answer that is late, wrong or missing hurts nobody but the worker.
 */
#pragma once

#include <jansson.h>

#include "daemon/common/loop.h"
#include "lib/err.h"

#define ASK_PATIENCE_MS 5000

struct worker;

/* Embedded in whoever asks; {0} is one that is not asked. */
struct ask {
	struct list link; /* asks.open */
	struct asks *owner; /* NULL: not open */
	uint64_t call; /* its number on the wire */
	struct worker *worker;
	const char *answer; /* the type of message that answers it */
	uint64_t due_ms; /* CLOCK_MONOTONIC */
	/* Either is called once, from the loop, and the ask is over by then. -1 with err: what the
	 * worker says is nonsense. */
	int (*on_answer)(struct ask *ask, json_t *message, struct err *err);
	void (*on_failed)(struct ask *ask, const struct err *why);
};

struct asks {
	struct list open; /* struct ask */
	uint64_t last_call;
	struct loop *loop;
	struct loop_timer clock; /* set while any is open */
};

int asks_init(struct asks *as, struct loop *loop); /* -1: no memory */
void asks_fini(struct asks *as); /* none may be open */

/* The number of the next ask, for its message. */
uint64_t asks_next_call(struct asks *as);
/* Sends message, which has that number, and waits for its answer at most patience_ms; answer and
 * the functions of ask are filled in by the caller. -1: it could not be sent. The reference to
 * message is taken. */
int ask(struct asks *as, struct ask *ask, struct worker *w, json_t *message, uint64_t patience_ms);
bool ask_is_open(const struct ask *ask);
void ask_forget(struct ask *ask); /* no answer is wanted any more */

/* Whether a message of this type is an answer. */
bool asks_know(const char *type);
/* -1 with err: nonsense. */
int asks_handle(struct asks *as, struct worker *w, const char *type, json_t *message,
		struct err *err);
void asks_on_worker_dead(struct asks *as, const struct worker *w, const struct err *why);
