/* SPDX-License-Identifier: MIT */
/*
 * The loop with a clock that only the test moves: timers and deferred work run inside
 * fake_loop_advance(), descriptors are never ready.
 */
#pragma once

#include "daemon/common/loop.h"

struct loop *fake_loop_new(void);
void fake_loop_free(struct loop *loop);
/* Runs what is deferred, then everything due within the next ms, in order of time. */
void fake_loop_advance(struct loop *loop, unsigned ms);
/* The process does not run for a while: what was due meanwhile comes late, at the end. */
void fake_loop_sleep(struct loop *loop, unsigned ms);
