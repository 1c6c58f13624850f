/* SPDX-License-Identifier: MIT */
/*
 * One jump: the way to its server, which it begins when the jump before it is up, the end that it shares
 * with those before it, and what its users may ask.
 */
#include <stdlib.h>

#include "daemon/common/log.h"
#include "daemon/worker/jumps_parts.h"
#include "daemon/worker/session.h"
#include "daemon/worker/way_name.h"
#include "lib/util.h"

#define MEMORY_MS 1000 /* how long a failure answers for the next who asks */
#define LEAVE_MS 1000 /* how long a server may take to close the channels that led on, */
#define LEAVE_CHECK_MS 10 /* and how often it is asked whether it has */

static void tell_all(struct jump *j)
{
	struct jump_user *user;

	list_for_each (user, &j->users, link)
		jump_tell(user);
}

/* ---- the end ---- */

static void destroy(void *data)
{
	struct jump *j = data;

	connection_settings_fini(&j->spec.connection);
	free(j->way);
	free(j);
}

void jump_bury(struct jump *j)
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
		jump_bury(j);
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

void jump_start(struct jump *j)
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
		jump_start(j);
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

/* ---- the beginning ---- */

struct jump *jump_new(struct jumps *js, const struct config_hop *spec, const struct jump *before,
		      const struct jump_user *user, bool urgent)
{
	struct loop *loop = js->parts->loop;
	struct jump *j = calloc(1, sizeof(*j));

	if (!j)
		return NULL;
	j->owner = js;
	j->index = before ? before->index + 1 : 0;
	j->urgent = urgent;
	j->via = (struct jump_user){
		.ops = &before_ops, .data = j, .tunnel = user->tunnel, .route = user->route
	};
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
		jump_bury(j);
		return NULL;
	}
	list_append(&js->all, &j->link);
	return j;
}

/* ---- whether it lives ---- */

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
