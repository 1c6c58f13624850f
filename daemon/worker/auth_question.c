/* SPDX-License-Identifier: MIT */
#include "daemon/worker/auth_question.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/util.h"

static void take_answers(struct wire_answers *to, struct wire_answers *from)
{
	to->nobody = from->nobody;
	to->count = from->count;
	for (size_t i = 0; i < from->count; i++)
		secret_move(&to->items[i], &from->items[i]);
	from->count = 0;
}

static void on_answer(void *data, struct wire_answers *answers)
{
	struct auth_question *aq = data;

	take_answers(&aq->answers, answers);
	aq->is_answered = true;
	aq->asker->on_asking(aq->asker->data, false);
}

static void name_hop(struct question *q, const struct auth_asker *asker)
{
	q->route = asker->purpose->route;
	q->hop = asker->purpose->hop;
}

/* Of a jump that tunnels share, the tunnel it was asked for may be gone, and somebody attend to another. */
static bool is_stale(const struct auth_question *aq, const struct auth_asker *asker)
{
	return aq->tunnel != asker->purpose->tunnel || aq->route != asker->purpose->route;
}

static bool begin(struct auth_question *aq, const struct auth_asker *asker, struct question *q)
{
	name_hop(q, asker);
	aq->asker = asker;
	aq->tunnel = asker->purpose->tunnel;
	aq->route = asker->purpose->route;
	aq->inquiry.on_answer = on_answer;
	aq->inquiry.data = aq;
	if (aq->tunnel == 0 || inquiry_open(asker->inquiries, &aq->inquiry, aq->tunnel, q) < 0)
		return false;
	asker->on_asking(asker->data, true);
	return true;
}

enum auth_reply auth_question_step(struct auth_question *aq, const struct auth_asker *asker,
				   struct question *q, struct wire_answers *ret)
{
	size_t wanted = question_answers(q);

	if (!aq->is_answered) {
		if (inquiry_is_open(&aq->inquiry) || begin(aq, asker, q))
			return AUTH_REPLY_WAIT;
		return AUTH_REPLY_NOBODY;
	}
	aq->is_answered = false;
	*ret = (struct wire_answers){ 0 };
	take_answers(ret, &aq->answers);
	if (!ret->nobody && ret->count == wanted)
		return AUTH_REPLY_HERE;
	wire_answers_fini(ret);
	return is_stale(aq, asker) && begin(aq, asker, q) ? AUTH_REPLY_WAIT : AUTH_REPLY_NOBODY;
}

void auth_question_tell(const struct auth_asker *asker, struct question *q)
{
	name_hop(q, asker);
	if (asker->purpose->tunnel != 0)
		inquiry_tell(asker->inquiries, asker->purpose->tunnel, q);
}

void auth_question_wrong(const struct auth_asker *asker, enum question_kind kind,
			 const char *subject)
{
	CLEANUP(freep) struct question *q = calloc(1, sizeof(*q));

	if (!q || asker->purpose->tunnel == 0)
		return;
	q->kind = kind;
	snprintf(q->subject, sizeof(q->subject), "%s", subject);
	name_hop(q, asker);
	inquiry_tell_wrong(asker->inquiries, asker->purpose->tunnel, q);
}

bool auth_question_is_pending(const struct auth_question *aq)
{
	return inquiry_is_open(&aq->inquiry);
}

void auth_question_fini(struct auth_question *aq)
{
	inquiry_close(&aq->inquiry);
	wire_answers_fini(&aq->answers);
	aq->is_answered = false;
}

enum auth_reply auth_ask_secret(struct auth_question *aq, const struct auth_asker *asker,
				enum question_kind kind, const char *subject, bool again,
				struct secret *ret)
{
	CLEANUP(freep) struct question *q = calloc(1, sizeof(*q));
	struct wire_answers answers = { 0 };
	enum auth_reply reply;

	if (inquiry_is_open(&aq->inquiry))
		return AUTH_REPLY_WAIT;
	if (!q)
		return AUTH_REPLY_NOBODY;
	q->kind = kind;
	q->again = again;
	snprintf(q->subject, sizeof(q->subject), "%s", subject);
	reply = auth_question_step(aq, asker, q, &answers);
	if (reply == AUTH_REPLY_HERE)
		secret_move(ret, &answers.items[0]);
	wire_answers_fini(&answers);
	return reply;
}
