/* SPDX-License-Identifier: MIT */
/*
 * What jumps are made of, for the files that are them; nobody else includes this. jump.c is one jump, from
 * its way to its end; jumps.c is who uses which, and hears of it.
 */
#pragma once

#include "daemon/worker/hop.h"
#include "daemon/worker/jumps.h"

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

/* ---- jump.c ---- */

/* For user, in whose name it asks. It has no user yet, and is in no use of the one before it. NULL: no
 * memory. */
struct jump *jump_new(struct jumps *js, const struct config_hop *spec, const struct jump *before,
		      const struct jump_user *user, bool urgent);
void jump_start(struct jump *j);
void jump_bury(struct jump *j);

/* ---- jumps.c ---- */

void jump_tell(struct jump_user *user); /* in a later turn, and of several changes once */
