/* SPDX-License-Identifier: MIT */
/*
 * A server nobody knows has shown its key, and `host_key: accept-new` is to take it: the supervisor
 * writes it down, and the attempt goes on when that has happened. Without a deadline of its own: the
 * attempt has one.
 */
#pragma once

#include <jansson.h>

#include "daemon/common/wire_hostkey.h"
#include "daemon/worker/report.h"
#include "lib/list.h"

struct hostkey_questions {
	struct list open; /* struct hostkey_question */
	uint64_t last_call;
};

/* Embedded in whoever asks; {0} is one that is not asked. */
struct hostkey_question {
	struct list link; /* hostkey_questions.open */
	uint64_t call; /* 0: not asked, or answered */
	void (*on_answer)(void *data, const struct err *error); /* ERR_NONE: it is written */
	void *data;
};

void hostkey_questions_init(struct hostkey_questions *qs);
void hostkey_ask(struct hostkey_questions *qs, struct hostkey_question *q, struct report *report,
		 const struct wire_host_key *shown,
		 void (*on_answer)(void *data, const struct err *error), void *data);
void hostkey_forget(struct hostkey_question *q); /* no answer is wanted any more */
/* `host-key-written` has come. -1 with err: nonsense. */
int hostkey_answered(struct hostkey_questions *qs, json_t *message, struct err *err);
