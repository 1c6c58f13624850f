/* SPDX-License-Identifier: MIT */
/*
 * Which worker carries a tunnel: the emptiest, or the one in which others go through the same jump,
 * because a session, which they share there, is in one process. The rest of sync.c's work is to tell it.
 */
#pragma once

#include "daemon/supervisor/sync.h"

/* Gives t a worker if it is wanted and has none. One whose session is due to be another takes the chance
 * to join others, if it may. */
void place(struct sync *s, struct tunnel *t);
void unplace(struct tunnel *t);
