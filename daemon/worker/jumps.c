/* SPDX-License-Identifier: MIT */
#include "daemon/worker/jumps_parts.h"

#include <stdlib.h>

#include "daemon/worker/session.h"
#include "lib/config_diff.h"
#include "lib/util.h"

#define TELL_MAX 64 /* users told a turn */

/* ---- telling ---- */

static void on_tell(void *data)
{
	struct jumps *js = data;
	struct jump_user *user;

	for (int i = 0; i < TELL_MAX; i++) {
		user = list_first(&js->news, struct jump_user, news);
		if (!user)
			return;
		list_remove(&user->news);
		user->ops->on_change(user->data);
	}
	loop_defer_schedule(&js->tell);
}

void jump_tell(struct jump_user *user)
{
	struct jumps *js = user->jump->owner;

	if (!user->ops || !list_is_empty(&user->news))
		return;
	list_append(&js->news, &user->news);
	loop_defer_schedule(&js->tell);
}

/* ---- in whose name ---- */

/* Whoever asked, or would have asked, in the name of old, does so in that of user now. */
static void speak_for(struct jump *j, uint64_t old, const struct jump_user *user)
{
	struct jump *before = j->via.jump;

	j->via.tunnel = j->hop.purpose.tunnel = user->tunnel;
	j->via.route = j->hop.purpose.route = user->route;
	if (before && before->via.tunnel == old)
		speak_for(before, old, &j->via);
}

/* A person is asked in the name of a tunnel that lives, and by the number that its route has now. */
static void change_speaker(struct jump *j, uint64_t old)
{
	const struct jump_user *user;

	if (old == 0 || j->via.tunnel != old)
		return;
	list_for_each (user, &j->users, link) {
		if (user->tunnel != 0) {
			speak_for(j, old, user);
			return;
		}
	}
}

/* ---- joining ---- */

static void enlist(struct jump *j, struct jump_user *user)
{
	user->jump = j;
	list_init(&user->news);
	list_append(&j->users, &user->link);
	j->user_count++;
	j->idle_ms = 0;
	/* It was about to end, or the tunnel comes back with other settings. */
	if (user->tunnel != 0 && (j->user_count == 1 || j->via.tunnel == user->tunnel))
		speak_for(j, j->via.tunnel, user);
}

static bool is_fit(const struct jump *j, const struct config_hop *spec, const struct jump *via,
		   enum jump_haste haste)
{
	if (j->via.jump != via || !j->spec.connection.share || j->user_count >= SESSION_MEMBERS_MAX)
		return false;
	if (j->lost && (!j->remembered || haste == JUMP_AFRESH))
		return false;
	return connection_settings_equal(&j->spec.connection, &spec->connection) &&
	       upkeep_settings_equal(&j->spec.upkeep, &spec->upkeep);
}

static struct jump *find(struct jumps *js, const struct config_hop *spec, const struct jump *via,
			 enum jump_haste haste)
{
	struct jump *j;

	if (!spec->connection.share)
		return NULL;
	list_for_each (j, &js->all, link) {
		if (is_fit(j, spec, via, haste))
			return j;
	}
	return NULL;
}

/* The jump for the last of hops, found or begun, with those before it; NULL: no memory. */
static struct jump *obtain(struct jumps *js, const struct jump_user *user,
			   const struct config_hop *hops, size_t count, enum jump_haste haste)
{
	const struct config_hop *spec = &hops[count - 1];
	struct jump *before = NULL, *j;

	if (count > 1) {
		before = obtain(js, user, hops, count - 1, haste);
		if (!before)
			return NULL;
	}
	j = find(js, spec, before, haste);
	if (j)
		return j;
	j = jump_new(js, spec, before, user, haste == JUMP_URGENT);
	if (!j)
		return NULL; /* what was begun for it goes with the turn */
	if (before)
		enlist(before, &j->via);
	loop_defer_schedule(&j->idle);
	return j;
}

int jump_join(struct jumps *js, struct jump_user *user, const struct config_hop *hops, size_t count,
	      enum jump_haste haste, struct err *err)
{
	struct jump *j = obtain(js, user, hops, count, haste);

	if (!j)
		return err_nomem(err);
	enlist(j, user);
	jump_tell(user);
	if (haste == JUMP_URGENT)
		jump_hurry(user);
	for (; j && !j->lost && !hop_is_started(&j->hop); j = j->via.jump) {
		if (!j->via.jump)
			jump_start(j);
		else
			jump_tell(&j->via);
	}
	return 0;
}

void jump_share(struct jump_user *user, const struct jump_user *other)
{
	enlist(other->jump, user);
}

void jump_leave(struct jump_user *user)
{
	struct jump *j = TAKE(user->jump);

	if (!j)
		return;
	list_remove(&user->link);
	list_remove(&user->news);
	change_speaker(j, user->tunnel);
	if (--j->user_count == 0)
		loop_defer_schedule(&j->idle);
}

/* ---- all of them ---- */

struct jumps *jumps_new(const struct worker_parts *parts)
{
	struct jumps *js = calloc(1, sizeof(*js));

	if (!js)
		return NULL;
	js->parts = parts;
	list_init(&js->all);
	list_init(&js->news);
	loop_defer_open(&js->tell, parts->loop, on_tell, js);
	return js;
}

void jumps_free(struct jumps *js)
{
	if (!js)
		return;
	/* Those behind first: they use the others, and so do the channels that still lead on. */
	while (!list_is_empty(&js->all)) {
		struct jump *j = list_entry(js->all.prev, struct jump, link);

		hop_stop(&j->hop);
		jump_bury(j);
	}
	loop_defer_close(&js->tell);
	free(js);
}

bool jumps_are_gone(const struct jumps *js)
{
	const struct jump *j;

	list_for_each (j, &js->all, link) {
		if (!j->lost)
			return false;
	}
	return true;
}

void jumps_wake(struct jumps *js)
{
	struct jump *j;

	list_for_each (j, &js->all, link)
		hop_ask(&j->hop);
}
