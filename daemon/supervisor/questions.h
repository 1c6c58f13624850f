/* SPDX-License-Identifier: MIT */
/*
 * Questions of workers, and who answers them: what is kept (secrets.c), or a person who attends to
 * the tunnel (`tunctl auth`), or nobody. A worker says which key or server it means; what that is
 * called here is looked up in our own configuration, so that no worker gets what belongs to a tunnel
 * it does not carry. One person attends to a tunnel, and is asked one thing at a time.
 */
#pragma once

#include <jansson.h>

#include "daemon/common/loop.h"
#include "daemon/supervisor/secrets.h"
#include "daemon/supervisor/tunnels.h"
#include "lib/question.h"

struct asked;
struct questions;
struct worker;

enum { NOTICES_MAX = 8 }; /* that wait to be told; the last ones */

/* A person at a tunnel; embedded in the call. {0} attends to nothing. */
struct attendant {
	struct list link; /* questions.attendants */
	struct questions *owner; /* NULL: not (any more) */
	uint64_t tunnel;
	struct asked *asked; /* what waits for an answer; NULL: nothing; owned */
	bool was_asked; /* anything, so far */
	bool has_answered; /* the last question, so that `again` is about this person's answer */
	unsigned wrong; /* answers in a row */
	struct strv kept; /* subjects of what this person has told us */
	json_t *notices; /* []Notice, what servers have said; NULL: nothing; owned */
	struct loop_timer patience;
	/* Something else is asked, or nothing any more, or something was said. */
	void (*on_question)(struct attendant *a);
};

struct questions {
	struct loop *loop;
	struct tunnels *tunnels;
	struct secrets secrets;
	struct list attendants; /* struct attendant */
	uint64_t last_id;
};

int questions_init(struct questions *qs, struct loop *loop, struct tunnels *tunnels);
void questions_fini(struct questions *qs);

/* What workers say. -1 with err: nonsense. */
bool questions_know(const char *type);
int questions_handle(struct questions *qs, struct worker *w, const char *type, json_t *message,
		     struct err *err);
void questions_on_worker_dead(struct questions *qs, const struct worker *w);

/* -1 with err: somebody else attends to it already, or no memory. */
int questions_attend(struct questions *qs, struct attendant *a, const struct tunnel *t,
		     struct err *err);
void questions_leave(struct attendant *a); /* what is asked has no answer then */

/* What is asked, as the control socket says it; null: nothing. */
json_t *attendant_question(const struct attendant *a);
/* What was said since the last call, for the same. */
json_t *attendant_take_notices(struct attendant *a);
/* -1 with err: that is not asked (any more), or these are no answers to it. */
int questions_answer(struct questions *qs, const struct tunnel *t, uint64_t id, json_t *answers,
		     struct err *err);

/* Whether what this person has told us is what t has failed for. */
bool attendant_helps(const struct attendant *a, const struct tunnel *t);
