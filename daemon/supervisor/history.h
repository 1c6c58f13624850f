/* SPDX-License-Identifier: MIT */
/*
 * The last changes of state of one tunnel: a ring that grows with use up to HISTORY_MAX events, so
 * that the thousand tunnels to which nothing ever happens pay for six events and not for 64.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/tunnel_state.h"

#define HISTORY_MAX 64

struct history_event {
	uint64_t at_ms; /* wall clock */
	enum tunnel_state state;
	enum err_code code; /* ERR_NONE: no error belongs to it */
	char *message; /* NULL: none; owned by the ring */
};

struct history {
	struct history_event *events;
	unsigned short count, capacity, oldest; /* oldest: index of the first one */
};

/* Best effort: without memory the event is lost, as the oldest would be one day. */
void history_add(struct history *h, uint64_t at_ms, enum tunnel_state state, const struct err *err);
/* i from 0 (oldest) to count - 1. */
const struct history_event *history_at(const struct history *h, size_t i);
void history_fini(struct history *h);
