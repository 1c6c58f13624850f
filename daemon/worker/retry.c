/* SPDX-License-Identifier: MIT */
#include "daemon/worker/retry.h"

#include <sys/random.h>

#include "lib/util.h"

#define AT_ONCE_MS 100 /* the first retry after a session that had been stable */
#define HURRY_MS 1000 /* the longest wait, and the least between attempts, while clients wait */
#define REFUSED_MIN_MS 10000 /* a server that knew us and does not: no reason to hammer it */

static uint32_t random_u32(void)
{
	uint32_t value = 0;

	if (getrandom(&value, sizeof(value), GRND_NONBLOCK) != sizeof(value))
		value = (uint32_t)(monotonic_us() * 2654435761U);
	return value;
}

void retry_set_bounds(struct retry *r, unsigned min_ms, unsigned max_ms)
{
	r->backoff.min_ms = min_ms;
	r->backoff.max_ms = max_ms;
}

void retry_reset(struct retry *r)
{
	backoff_reset(&r->backoff);
	r->attempts = 0;
}

void retry_begin(struct retry *r)
{
	r->attempts++;
	r->was_stable = false;
}

void retry_admitted(struct retry *r, uint64_t now_ms)
{
	r->started_ms = now_ms;
}

void retry_stable(struct retry *r)
{
	r->was_stable = true;
	backoff_reset(&r->backoff);
}

bool retry_is_of_network(enum err_code why)
{
	switch (why) {
	case ERR_RESOLVE:
	case ERR_REFUSED:
	case ERR_UNREACHABLE:
	case ERR_NETWORK:
	case ERR_TIMEOUT:
	case ERR_LOST:
	case ERR_KEEPALIVE:
		return true;
	default:
		return false;
	}
}

/* Never within a second of the last attempt, so that arrivals cannot hammer a server. */
unsigned retry_hurried(const struct retry *r, uint64_t now_ms)
{
	uint64_t since = now_ms - r->started_ms;

	return since >= HURRY_MS ? 0 : (unsigned)(HURRY_MS - since);
}

unsigned retry_woken(const struct retry *r, uint64_t now_ms)
{
	return retry_hurried(r, now_ms) + random_u32() % HURRY_MS;
}

unsigned retry_mended(const struct retry *r, uint64_t now_ms)
{
	uint64_t since = now_ms - r->started_ms;

	return (since >= REFUSED_MIN_MS ? 0 : (unsigned)(REFUSED_MIN_MS - since)) +
	       random_u32() % HURRY_MS;
}

/* What an agent lacks is noticed when it comes: the server need not be asked meanwhile. */
static unsigned patient_wait(const struct retry *r)
{
	unsigned half = r->backoff.max_ms / 2;

	return MAX(half + random_u32() % (half + 1), REFUSED_MIN_MS);
}

unsigned retry_wait(struct retry *r, enum err_code why, bool clients_wait, uint64_t now_ms)
{
	unsigned wait;

	if (r->was_stable) {
		r->was_stable = false;
		retry_reset(r);
		return 1 + random_u32() % AT_ONCE_MS; /* 0 would be over before it is told */
	}
	wait = backoff_next(&r->backoff, random_u32());
	if (why == ERR_AUTH || why == ERR_AGENT)
		wait = MAX(wait, REFUSED_MIN_MS);
	if (why == ERR_AGENT_LACKS)
		wait = MAX(wait, patient_wait(r));
	if (clients_wait && retry_is_of_network(why))
		wait = MIN(wait, MAX(retry_hurried(r, now_ms), 1));
	return wait;
}
