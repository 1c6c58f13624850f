/* SPDX-License-Identifier: MIT */
/*
 * The orderly end of a session. A server that listens for us is asked to listen no more, and only when
 * it has answered, or has taken too long, the session is closed: so whoever comes next, be it ourselves,
 * never meets a listener of the session before. A server that is told good-bye forgets what it has not
 * passed on yet: so it is waited for, a second at most, until it has closed the channels of those who have
 * left.
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

/* Whether there is something to wait for. */
bool parting_is_due(const struct session *s);
/* Takes s, whose requests have been made. on_over is called once, from the loop. NULL: no memory,
 * and s is closed. */
struct parting *parting_new(struct partings *ps, struct session *s, parting_fn on_over, void *data);
