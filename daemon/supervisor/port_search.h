/* SPDX-License-Identifier: MIT */
/*
 * Asks who has a port, off the loop: questions that come in one turn, and those that come while a
 * search runs, are answered by one walk through /proc.
 */
#pragma once

#include "daemon/common/offload.h"
#include "daemon/supervisor/port_owner.h"

#define PORT_SEARCH_MAX 128 /* questions a walk */

struct port_batch;

/* Embedded in whoever asks; zeroed by port_question_init(). */
struct port_question {
	struct list link; /* port_search.waiting */
	struct address address;
	struct port_batch *batch; /* the walk that looks for it; NULL: none */
};

struct port_search {
	struct offload *disk; /* borrowed */
	struct list waiting; /* struct port_question */
	struct loop_defer start;
	struct port_batch *batch; /* NULL: no walk is under way */
	bool is_root;
	/* From the loop, never from within port_search_ask(). why is a sentence for people. */
	void (*on_answer)(struct port_question *q, const struct err *why);
};

void port_search_init(struct port_search *s, struct loop *loop, struct offload *disk,
		      void (*on_answer)(struct port_question *q, const struct err *why));
void port_search_fini(struct port_search *s);

void port_question_init(struct port_question *q);
bool port_question_is_open(const struct port_question *q);
void port_search_ask(struct port_search *s, struct port_question *q, const struct address *address);
void port_question_forget(struct port_question *q); /* no answer is wanted any more */
