/* SPDX-License-Identifier: MIT */
#include "daemon/worker/session_members.h"

#include "daemon/worker/session.h"

#define SERVICE_MAX 256 /* members a pass */

void session_members_init(struct session_members *ms)
{
	list_init(&ms->all);
	list_init(&ms->attention);
	list_init(&ms->blocked);
}

/* ---- coming and going ---- */

void session_join(struct session *s, struct session_member *m)
{
	struct session_members *ms = session_members(s);

	m->session = s;
	list_append(&ms->all, &m->link);
	ms->count++;
	list_init(&m->queue);
}

void session_leave(struct session_member *m)
{
	if (!m->session)
		return;
	session_members(m->session)->count--;
	list_remove(&m->link);
	list_remove(&m->queue);
	m->session = NULL;
}

void session_members_end(struct session_members *ms)
{
	struct session_member *m;

	while ((m = list_first(&ms->all, struct session_member, link))) {
		session_leave(m);
		m->on_lost(m);
	}
}

/* ---- whose turn it is ---- */

static void queue_news(struct session_members *ms, struct session_member *m)
{
	list_remove(&m->queue);
	m->attended = true;
	list_append(&ms->attention, &m->queue);
}

void session_attend(struct session_member *m)
{
	if (!m->session)
		return;
	if (!m->attended) /* or it keeps its place */
		queue_news(session_members(m->session), m);
	session_touch(m->session);
}

void session_block(struct session_member *m)
{
	struct session_members *ms = session_members(m->session);

	ms->stuffed |= !session_can_send(m->session);
	if (m->attended)
		return; /* it has news already */
	list_remove(&m->queue);
	list_append(&ms->blocked, &m->queue);
}

/* Once for whatever happened, not once a turn: more of them than a turn serves would block again, be
 * asked again, and keep the loop busy for nothing. */
void session_members_unblock(struct session_members *ms)
{
	struct session_member *m;

	if (!ms->touched)
		return;
	ms->touched = ms->stuffed = false;
	while ((m = list_first(&ms->blocked, struct session_member, queue)))
		queue_news(ms, m);
}

bool session_members_serve(struct session *s)
{
	struct session_members *ms = session_members(s);
	struct session_member *m;

	for (int i = 0; i < SERVICE_MAX && !session_has_failed(s); i++) {
		m = list_first(&ms->attention, struct session_member, queue);
		if (!m)
			return false; /* also when it has ended: all have left */
		list_remove(&m->queue);
		m->attended = false;
		m->on_service(m);
	}
	return true;
}
