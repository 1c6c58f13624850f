/* SPDX-License-Identifier: MIT */
/*
 * How long to wait before the next attempt: nothing after a session that had been stable, otherwise
 * exponentially growing bounds with full jitter, so that a thousand clients of a server that comes
 * back do not arrive in step (Brooker, "Exponential Backoff and Jitter"). Pure: the caller brings
 * the random number and keeps the time.
 */
#pragma once

#include <stdint.h>

struct backoff {
	unsigned min_ms, max_ms;
	unsigned failures; /* since the last reset; the exponent */
};

/* Counts a failure; returns the wait in ms: within [min, min(max, min * 2^failures)], chosen by
 * random (uniform over all 32 bits). */
unsigned backoff_next(struct backoff *b, uint32_t random);

void backoff_reset(struct backoff *b);
