/* SPDX-License-Identifier: MIT */
#include "daemon/worker/hostkey_question.h"

void hostkey_questions_init(struct hostkey_questions *qs)
{
	*qs = (struct hostkey_questions){ 0 };
	list_init(&qs->open);
}

void hostkey_ask(struct hostkey_questions *qs, struct hostkey_question *q, struct report *report,
		 const struct wire_host_key *shown,
		 void (*on_answer)(void *data, const struct err *error), void *data)
{
	*q = (struct hostkey_question){ .call = ++qs->last_call,
					.on_answer = on_answer,
					.data = data };
	list_append(&qs->open, &q->link);
	report_host_key_new(report, q->call, shown);
}

void hostkey_forget(struct hostkey_question *q)
{
	if (!q->call)
		return;
	list_remove(&q->link);
	q->call = 0;
}

int hostkey_answered(struct hostkey_questions *qs, json_t *message, struct err *err)
{
	struct hostkey_question *q;
	struct err error;
	uint64_t call;

	if (wire_read_host_key_written(message, &call, &error, err) < 0)
		return -1;
	list_for_each (q, &qs->open, link) {
		if (q->call != call)
			continue;
		hostkey_forget(q);
		q->on_answer(q->data, &error);
		return 0;
	}
	return 0; /* who asked has left */
}
