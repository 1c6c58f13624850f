/* SPDX-License-Identifier: MIT */
/*
 * Sessions that other sessions go through. A jump is a server on the way of any number of tunnels:
 * whoever has the same settings for it, and for every jump before it, uses the same session
 * (`share: no` gets one of its own). It lives as long as it has users: tunnels, jumps behind it, and
 * the channels that lead on (passage.h). When it fails or is lost, all of its users hear why; a
 * failure is remembered for a second, so that a hundred tunnels do not knock a hundred times at a
 * bastion that is down.
 *
 * Users are told that something has changed, from the loop, a few a turn, and look for themselves.
 */
#pragma once

#include "daemon/worker/parts.h"
#include "lib/config.h"

struct jump;
struct session;

struct jump_user_ops {
	void (*on_change)(void *data); /* any jump on the way up to this one is in another state */
};

struct jump_user {
	struct jump *jump; /* NULL: none */
	struct list link; /* jump.users */
	struct list news; /* jumps.news while it is to be told */
	const struct jump_user_ops *ops; /* NULL: wants to know nothing */
	void *data;
	uint64_t tunnel; /* in whose name the jump may ask a person something; 0: nobody's */
	unsigned route; /* of that tunnel */
};

enum jump_haste {
	JUMP_USUAL,
	JUMP_URGENT, /* a client waits */
	JUMP_AFRESH, /* a person asks: a failure that is remembered does not count */
};

struct jumps *jumps_new(const struct worker_parts *parts);
void jumps_free(struct jumps *js); /* every user must have left */
bool jumps_are_gone(const struct jumps *js); /* no session is left */
void jumps_wake(struct jumps *js); /* the network may be another one: asks all for a sign of life */

/* Uses the last of hops (which are copied), to be reached through those before it. ops, data, tunnel
 * and route of user are set, it is used for nothing else at the moment. on_change comes later, also when
 * it is up already. -1: out of memory. */
int jump_join(struct jumps *js, struct jump_user *user, const struct config_hop *hops, size_t count,
	      enum jump_haste haste, struct err *err);
/* Uses the same as other, which uses one that is up. */
void jump_share(struct jump_user *user, const struct jump_user *other);
void jump_leave(struct jump_user *user); /* idempotent; may be called from on_change */

void jump_hurry(struct jump_user *user); /* a client waits */
/* Nothing passes through it: is it there? These three do nothing for NULL. */
void jump_suspect(struct jump_user *user);
/* It, or one before it, has answered since, and has been asked once more: it may be gone now. */
bool jump_is_asked(struct jump_user *user, uint64_t since_ms);
/* Nothing has passed since: if the jump, or one before it, has not answered either, it is lost. */
void jump_blame(struct jump_user *user, uint64_t since_ms);

/* The session to go through; NULL: not up. */
struct session *jump_session(const struct jump_user *user);
/* Why there will never be one (again); NULL: nothing is wrong. ret_hop: which of the jumps, from 0. */
const struct err *jump_failure(const struct jump_user *user, size_t *ret_hop);
/* Another key in the agent might have been all that it took. */
bool jump_lacks_key(const struct jump_user *user);
/* Its way_name(). */
const char *jump_way(const struct jump_user *user);
/* How many jumps there are up to this one, and their states. */
size_t jump_count(const struct jump_user *user);
void jump_describe(const struct jump_user *user, struct wire_hop *ret);
