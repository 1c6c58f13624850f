/* SPDX-License-Identifier: MIT */
#include "lib/backoff.h"

#include "lib/util.h"

#define EXPONENT_MAX 30

unsigned backoff_next(struct backoff *b, uint32_t random)
{
	uint64_t bound;

	if (b->failures < EXPONENT_MAX)
		b->failures++;
	bound = MIN((uint64_t)b->min_ms << b->failures, (uint64_t)b->max_ms);
	bound = MAX(bound, b->min_ms);
	return b->min_ms + (unsigned)(((bound - b->min_ms) * (uint64_t)random) >> 32);
}

void backoff_reset(struct backoff *b)
{
	b->failures = 0;
}
