/* SPDX-License-Identifier: MIT */
/*
 * The orderly end of a session on which the server listens for us: it is asked to listen no more,
 * and only when it has answered, or has taken too long, the session is closed. So whoever comes next,
 * be it ourselves, never meets a listener of the session before.
 */
#pragma once

#include "daemon/worker/session.h"

struct parting;

/* All partings of a worker, which ends when they are over. */
struct partings {
	struct loop *loop;
	struct list all; /* struct parting */
};

typedef void (*parting_fn)(void *data);

void partings_init(struct partings *ps, struct loop *loop);
void partings_fini(struct partings *ps); /* ends all of them, at once */

/* Takes s, whose requests have been made. on_over is called once, from the loop. NULL: no memory,
 * and s is closed. */
struct parting *parting_new(struct partings *ps, struct session *s, parting_fn on_over, void *data);
