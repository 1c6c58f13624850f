/* SPDX-License-Identifier: MIT */
/*
 * The host keys that the servers of a tunnel have last shown, hop by hop. They come from a worker,
 * and are no more than claims: a fingerprint is computed here, and a key counts only after a person
 * or `host_key: accept-new` said so.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "lib/public_key.h"

struct shown_key {
	unsigned route, hop;
	struct public_key key;
	uint64_t at_ms; /* wall clock */
};

/* {0} is empty. */
struct shown_keys {
	struct shown_key *items; /* by route and hop; one for each */
	size_t count;
};

/* Takes key over, also on failure. -1: no memory. */
int shown_keys_put(struct shown_keys *keys, unsigned route, unsigned hop, struct public_key *key);
void shown_keys_fini(struct shown_keys *keys); /* it is {0} again */
