/* SPDX-License-Identifier: MIT */
#include "daemon/worker/keepalive.h"

#include "lib/util.h"

/* With a count of 1 the question has to come before the verdict. */
static unsigned silence_before_asking(const struct keepalive *k)
{
	return k->count > 1 ? k->interval_ms : k->interval_ms / 2;
}

/* Silence is measured anew: left alone, the timer would stand at the verdict about the old one. */
static void await_silence(struct keepalive *k)
{
	loop_timer_stop(&k->timer);
	if (k->interval_ms > 0)
		loop_timer_set(&k->timer, silence_before_asking(k));
}

static void on_answer(void *data, const struct session_answer *answer)
{
	struct keepalive *k = data;

	k->asking = false;
	await_silence(k);
	k->ops->on_rtt(k->data, answer->rtt_us);
}

void keepalive_ask(struct keepalive *k)
{
	if (k->asking)
		return;
	k->asking = true;
	k->asked_ms = loop_now_ms(k->loop);
	session_probe(k->session, &k->request, on_answer, k);
}

static void condemn(struct keepalive *k, unsigned silence_ms)
{
	if (k->ops->may_wait && k->ops->may_wait(k->data))
		loop_timer_set(&k->timer, MAX(k->interval_ms / 4, 1));
	else
		k->ops->on_dead(k->data, silence_ms);
}

static void judge(void *data)
{
	struct keepalive *k = data;
	uint64_t now = loop_now_ms(k->loop);
	uint64_t limit = (uint64_t)k->interval_ms * k->count;
	uint64_t grace = limit - silence_before_asking(k); /* between question and verdict */
	uint64_t silence, due;

	if (k->interval_ms == 0)
		return;
	/* What this process did not read yet is no silence of the server: it may have slept itself.
	 */
	session_pump(k->session);
	silence = now - MIN(session_heard_ms(k->session), now);
	if (silence >= limit && k->asking && now - k->asked_ms >= grace) {
		condemn(k, (unsigned)silence);
		return;
	}
	if (silence >= silence_before_asking(k) && !k->asking) {
		keepalive_ask(k);
		if (k->ops->on_ask)
			k->ops->on_ask(k->data);
	}
	due = k->asking ? MAX(limit > silence ? limit - silence : 0,
			      grace - MIN(now - k->asked_ms, grace))
			: silence_before_asking(k) - silence;
	loop_timer_set(&k->timer, (unsigned)MAX(due, 1));
	session_touch(k->session);
}

int keepalive_open(struct keepalive *k, struct loop *loop, struct session *s, unsigned interval_ms,
		   unsigned count, const struct keepalive_ops *ops, void *data)
{
	*k = (struct keepalive){ .session = s, .ops = ops, .data = data, .loop = loop };
	if (loop_timer_open(&k->timer, loop, judge, k) < 0)
		return -1;
	keepalive_ask(k);
	keepalive_set(k, interval_ms, count);
	return 0;
}

void keepalive_set(struct keepalive *k, unsigned interval_ms, unsigned count)
{
	k->interval_ms = interval_ms;
	k->count = MAX(count, 1);
	await_silence(k);
}

void keepalive_close(struct keepalive *k)
{
	loop_timer_close(&k->timer);
	if (k->asking)
		session_forget(k->session, &k->request);
	*k = (struct keepalive){ 0 };
}
