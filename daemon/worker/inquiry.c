/* SPDX-License-Identifier: MIT */
#include "daemon/worker/inquiry.h"

void inquiries_init(struct inquiries *is, struct report *report)
{
	*is = (struct inquiries){ .report = report };
	list_init(&is->open);
}

int inquiry_open(struct inquiries *is, struct inquiry *i, uint64_t tunnel, const struct question *q)
{
	i->call = ++is->last_call;
	if (report_question(is->report, i->call, tunnel, q) < 0)
		return -1;
	i->owner = is;
	list_append(&is->open, &i->link);
	return 0;
}

void inquiry_tell(struct inquiries *is, uint64_t tunnel, const struct question *q)
{
	report_question(is->report, ++is->last_call, tunnel, q);
}

void inquiry_tell_wrong(struct inquiries *is, uint64_t tunnel, const struct question *q)
{
	report_wrong_answer(is->report, ++is->last_call, tunnel, q);
}

bool inquiry_is_open(const struct inquiry *i)
{
	return i->owner;
}

static void forget(struct inquiry *i)
{
	list_remove(&i->link);
	i->owner = NULL;
}

void inquiry_close(struct inquiry *i)
{
	if (!i->owner)
		return;
	report_question_cancel(i->owner->report, i->call);
	forget(i);
}

void inquiries_answer(struct inquiries *is, uint64_t call, struct wire_answers *answers)
{
	struct inquiry *i;

	list_for_each (i, &is->open, link) {
		if (i->call != call)
			continue;
		forget(i);
		i->on_answer(i->data, answers);
		return;
	}
}
