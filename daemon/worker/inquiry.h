/* SPDX-License-Identifier: MIT */
/*
 * What the supervisor is asked, because it remembers what people said or knows whom to ask. It
 * answers every question, within two minutes, if only by saying that nobody is there.
 */
#pragma once

#include "daemon/common/wire_question.h"
#include "daemon/worker/report.h"
#include "lib/list.h"

struct inquiries {
	struct report *report; /* borrowed */
	struct list open; /* struct inquiry */
	uint64_t last_call;
};

/* Embedded in whoever asks; {0} is one that is not asked. */
struct inquiry {
	struct list link; /* inquiries.open */
	struct inquiries *owner; /* NULL: not open */
	uint64_t call;
	/* From the loop, once; the answers are the receiver's to take with secret_move(). */
	void (*on_answer)(void *data, struct wire_answers *answers);
	void *data;
};

void inquiries_init(struct inquiries *is, struct report *report);
/* -1: it could not be sent. on_answer and data are set by the caller. */
int inquiry_open(struct inquiries *is, struct inquiry *i, uint64_t tunnel,
		 const struct question *q);
/* The server says something (q: without prompts), and nothing is asked. */
void inquiry_tell(struct inquiries *is, uint64_t tunnel, const struct question *q);
/* What was answered to such a question is wrong, and it is not asked anew. */
void inquiry_tell_wrong(struct inquiries *is, uint64_t tunnel, const struct question *q);
bool inquiry_is_open(const struct inquiry *i);
void inquiry_close(struct inquiry *i); /* no answer is wanted any more; {0} is fine */

/* What the supervisor says; nobody may be waiting for it any more. */
void inquiries_answer(struct inquiries *is, uint64_t call, struct wire_answers *answers);
