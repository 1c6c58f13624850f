/* SPDX-License-Identifier: MIT */
/*
 * When to try again, and whether at all. At once after a session that had been stable, otherwise by
 * backoff; sooner while clients wait and the network was the reason. Which server, and whether at all,
 * is decided by routes.c. Pure policy: the caller keeps the timer and the clock.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/backoff.h"
#include "lib/err.h"

struct retry {
	struct backoff backoff;
	unsigned attempts; /* since the last stable session */
	uint64_t started_ms; /* when the last one really started */
	bool was_stable; /* the session that is or was had been up for long enough */
};

void retry_set_bounds(struct retry *r, unsigned min_ms, unsigned max_ms);
void retry_reset(struct retry *r); /* a person or another network asks for a fresh start */

/* What happens to the attempts. */
void retry_begin(struct retry *r);
void retry_admitted(struct retry *r, uint64_t now_ms);
void retry_stable(struct retry *r);

/* A reason that another network, or patience, may cure. */
bool retry_is_of_network(enum err_code why);

/* Counts the failure; milliseconds until the next attempt. */
unsigned retry_wait(struct retry *r, enum err_code why, bool clients_wait, uint64_t now_ms);
/* Milliseconds until the next attempt may start because somebody waits for it. */
unsigned retry_hurried(const struct retry *r, uint64_t now_ms);
/* The same when what was missing may be there now: not in step with others, and not within ten seconds of
 * a try that was refused. */
unsigned retry_mended(const struct retry *r, uint64_t now_ms);
/* The same after waking up, with jitter: everybody's network came back at the same moment. */
unsigned retry_woken(const struct retry *r, uint64_t now_ms);
