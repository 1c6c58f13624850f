/* SPDX-License-Identifier: MIT */
/*
 * The real loop in a test: run until a callback quits it, or for a number of turns in which
 * everything that is ready now gets its say. Nothing here waits for time to pass, except for the
 * limit after which a test that hangs fails.
 */
#pragma once

#include "daemon/common/loop.h"

#define REAL_LOOP_LIMIT_MS 20000

struct loop *real_loop_new(void);
/* Until loop_quit(); the test fails after REAL_LOOP_LIMIT_MS. */
void real_loop_run(struct loop *loop);
void real_loop_turns(struct loop *loop, unsigned turns);
