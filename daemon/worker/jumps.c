/* SPDX-License-Identifier: MIT */
#include "daemon/worker/jumps.h"

#include <stdlib.h>

#include "daemon/common/log.h"
#include "daemon/worker/hop.h"
#include "daemon/worker/session.h"
#include "daemon/worker/way_name.h"
#include "lib/config_diff.h"
#include "lib/util.h"

#define TELL_MAX 64 /* users told a turn */
#define MEMORY_MS 1000 /* how long a failure answers for the next who asks */
#define LEAVE_MS 1000 /* how long a server may take to close the channels that led on, */
#define LEAVE_CHECK_MS 10 /* and how often it is asked whether it has */

struct jumps {
	const struct worker_parts *parts;
	struct list all; /* struct jump */
	struct list news; /* struct jump_user.news */
	struct loop_defer tell;
};

struct jump {
	struct list link; /* jumps.all */
	struct jumps *owner;
	struct config_hop spec;
	char *way; /* its way_name() */
	size_t index; /* on its way, from 0 */
	struct jump_user via; /* the jump before it; .jump NULL: it is the first. In its name
			       * (.tunnel, .route) a person is asked */
	struct hop hop;
	bool urgent; /* a client waits; known before the hop is started */

	bool lost;
	size_t lost_at; /* the jump whose failure it was */
	struct err error; /* why */
	bool remembered; /* a failure that still answers for others */
	struct loop_timer memory;
	uint64_t idle_ms; /* since when nobody uses it; 0: somebody does */

	struct list users; /* struct jump_user */
	unsigned user_count;
	struct loop_defer idle; /* is there still nobody? */
	struct loop_grave grave;
};

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

static void tell(struct jump_user *user)
{
	struct jumps *js = user->jump->owner;

	if (!user->ops || !list_is_empty(&user->news))
		return;
	list_append(&js->news, &user->news);
	loop_defer_schedule(&js->tell);
}

static void tell_all(struct jump *j)
{
	struct jump_user *user;

	list_for_each (user, &j->users, link)
		tell(user);
}

/* ---- the end ---- */

static void destroy(void *data)
{
	struct jump *j = data;

	connection_settings_fini(&j->spec.connection);
	free(j->way);
	free(j);
}

static void bury(struct jump *j)
{
	hop_close(&j->hop);
	jump_leave(&j->via);
	loop_timer_close(&j->memory);
	loop_defer_close(&j->idle);
	list_remove(&j->link);
	loop_bury(j->owner->parts->loop, &j->grave, destroy, j);
}

/* A server that is told good-bye forgets what it has not passed on yet: the last words of those behind
 * it, which it has passed on when it has closed their channels. */
static bool is_still_passing(struct jump *j)
{
	struct session *s = j->lost ? NULL : hop_session(&j->hop);
	uint64_t now = loop_now_ms(j->owner->parts->loop);

	if (!s || session_member_count(s) == 0)
		return false;
	j->idle_ms = j->idle_ms ? j->idle_ms : now;
	return now - j->idle_ms < LEAVE_MS;
}

/* At the end of a turn: whoever leaves often comes back in the same one, with other settings behind
 * the jump. */
static void on_idle(void *data)
{
	struct jump *j = data;

	if (j->user_count > 0 || j->remembered)
		return;
	if (is_still_passing(j))
		loop_timer_set(&j->memory, LEAVE_CHECK_MS);
	else
		bury(j);
}

static void on_forgotten(void *data)
{
	struct jump *j = data;

	j->remembered = false;
	loop_defer_schedule(&j->idle);
}

/* Its users go on seeing it, with the jumps before it, until they leave; nobody joins it any more, but
 * for those to whom it says that it has just failed. */
static void lose(struct jump *j, size_t index, const struct err *why)
{
	if (j->lost)
		return;
	j->lost = true;
	j->lost_at = index;
	j->error = *why;
	if (j->hop.state != HOP_UP) {
		j->remembered = true;
		loop_timer_set(&j->memory, MEMORY_MS);
	}
	hop_stop(&j->hop);
	loop_defer_schedule(&j->idle);
	tell_all(j);
}

/* ---- the way to it ---- */

static void start(struct jump *j)
{
	struct attempt_for purpose = { .tunnel = j->via.tunnel,
				       .route = j->via.route,
				       .hop = (unsigned)j->index,
				       .through = j->via.jump ? &j->via : NULL };

	hop_start(&j->hop, &j->spec.connection, &j->spec.upkeep, &purpose, j->urgent);
}

/* Starts it when the jump before it is up, and falls with it. */
static void look_before(struct jump *j)
{
	const struct err *why;
	size_t index;

	if (j->lost)
		return;
	why = jump_failure(&j->via, &index);
	if (why)
		lose(j, index, why);
	else if (!hop_is_started(&j->hop) && jump_session(&j->via))
		start(j);
}

static void on_before_change(void *data)
{
	struct jump *j = data;

	look_before(j);
	tell_all(j);
}

static const struct jump_user_ops before_ops = { .on_change = on_before_change };

static void on_hop_start(void *data)
{
}

static void on_hop_state(void *data)
{
	tell_all(data);
}

static void on_hop_lost(void *data, const struct err *why)
{
	struct jump *j = data;
	const struct err *before;
	size_t index;

	/* When a jump goes, those behind it notice too, and may be heard first. */
	before = jump_failure(&j->via, &index);
	log_debug("jump %s:%u: %s", j->spec.connection.host, j->spec.connection.port, why->msg);
	lose(j, before ? index : j->index, before ? before : why);
}

static const struct hop_ops hop_ops = {
	.on_start = on_hop_start,
	.on_state = on_hop_state,
	.on_up = on_hop_state,
	.on_rtt = on_hop_start,
	.on_lost = on_hop_lost,
};

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

static struct jump *new_jump(struct jumps *js, const struct config_hop *spec,
			     const struct jump *before)
{
	struct loop *loop = js->parts->loop;
	struct jump *j = calloc(1, sizeof(*j));

	if (!j)
		return NULL;
	j->owner = js;
	list_init(&j->users);
	list_init(&j->link);
	if (hop_open(&j->hop, js->parts, &hop_ops, j) < 0) {
		free(j);
		return NULL;
	}
	loop_defer_open(&j->idle, loop, on_idle, j);
	j->spec.upkeep = spec->upkeep;
	j->way = way_name(before ? before->way : NULL, &spec->connection);
	if (!j->way || loop_timer_open(&j->memory, loop, on_forgotten, j) < 0 ||
	    connection_settings_copy(&j->spec.connection, &spec->connection) < 0) {
		bury(j);
		return NULL;
	}
	list_append(&js->all, &j->link);
	return j;
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
	j = new_jump(js, spec, before);
	if (!j)
		return NULL; /* what was begun for it goes with the turn */
	j->index = count - 1;
	j->urgent = haste == JUMP_URGENT;
	j->via = (struct jump_user){
		.ops = &before_ops, .data = j, .tunnel = user->tunnel, .route = user->route
	};
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
	tell(user);
	if (haste == JUMP_URGENT)
		jump_hurry(user);
	for (; j && !j->lost && !hop_is_started(&j->hop); j = j->via.jump) {
		if (!j->via.jump)
			start(j);
		else
			tell(&j->via);
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

void jump_hurry(struct jump_user *user)
{
	for (struct jump *j = user->jump; j; j = j->via.jump) {
		j->urgent = true;
		hop_hurry(&j->hop);
	}
}

void jump_suspect(struct jump_user *user)
{
	for (struct jump *j = user ? user->jump : NULL; j; j = j->via.jump)
		hop_ask(&j->hop);
}

bool jump_is_asked(struct jump_user *user, uint64_t since_ms)
{
	for (struct jump *j = user ? user->jump : NULL; j; j = j->via.jump) {
		if (!j->lost && hop_is_asked(&j->hop, since_ms))
			return true;
	}
	return false;
}

/* The first on the way that is silent makes all behind it so. */
void jump_blame(struct jump_user *user, uint64_t since_ms)
{
	struct jump *silent = NULL;
	unsigned silence_ms = 0;
	struct err err;

	for (struct jump *j = user ? user->jump : NULL; j; j = j->via.jump) {
		unsigned ms = j->lost ? 0 : hop_silence_ms(&j->hop, since_ms);

		silent = ms ? j : silent;
		silence_ms = ms ? ms : silence_ms;
	}
	if (!silent)
		return;
	hop_silence_error(silence_ms, &err);
	lose(silent, silent->index, &err);
}

/* ---- looking ---- */

struct session *jump_session(const struct jump_user *user)
{
	return user->jump && !user->jump->lost ? hop_session(&user->jump->hop) : NULL;
}

/* The nearest to us that is lost is the reason, also where others have not noticed yet. */
static const struct jump *find_lost(const struct jump_user *user)
{
	const struct jump *lost = NULL;

	for (const struct jump *j = user->jump; j; j = j->via.jump)
		lost = j->lost ? j : lost;
	return lost;
}

const struct err *jump_failure(const struct jump_user *user, size_t *ret_hop)
{
	const struct jump *lost = find_lost(user);

	if (!lost)
		return NULL;
	*ret_hop = lost->lost_at;
	return &lost->error;
}

bool jump_lacks_key(const struct jump_user *user)
{
	const struct jump *lost = find_lost(user);

	return lost && lost->hop.lacks_key;
}

const char *jump_way(const struct jump_user *user)
{
	return user->jump->way;
}

size_t jump_count(const struct jump_user *user)
{
	return user->jump ? user->jump->index + 1 : 0;
}

void jump_describe(const struct jump_user *user, struct wire_hop *ret)
{
	for (const struct jump *j = user->jump; j; j = j->via.jump) {
		struct wire_hop *hop = &ret[j->index];

		*hop = (struct wire_hop){ .state = j->hop.state,
					  .rtt_us = j->hop.rtt_us,
					  .session = j->hop.facts };
		if (!j->lost)
			continue;
		/* Behind one that failed, others are not wrong themselves. */
		hop->state = j->lost_at == j->index ? HOP_FAILED : HOP_WAITING;
		if (j->lost_at == j->index)
			hop->error = j->error;
	}
}

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
		bury(j);
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
