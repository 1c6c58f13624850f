/* SPDX-License-Identifier: MIT */
/*
 * What a server may take of us: time in a turn of the loop, bytes before it has let us in, and memory
 * for answers it does not read. libssh sets no such limits: it goes on as long as bytes come, and
 * queues an answer to everything that asks for one.
 *
 * Only numbers; the session does what they say.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"

/* Key exchange, banner texts and authentication take some kilobytes. */
#define SESSION_EARLY_MAX (1024 * 1024)
/* Answers of some 100 bytes each that wait for a server to read them. A server that is only slow asks
 * for none. */
#define SESSION_ANSWERS_MAX 8192

struct session_limits {
	uint64_t answers; /* packets libssh sent by itself since TCP had last taken everything */
};

/* A pump of a session has read for so long that others have to be served; started_us, turn_ms: when
 * it and the turn began (CLOCK_MONOTONIC). */
bool session_limits_is_over(uint64_t started_us, uint64_t turn_ms);

/* -1 and why when the server has sent too much (in bytes) before it let us in. */
int session_limits_early(uint64_t bytes, struct err *err);

/* After a pump that sent some packets; waiting: TCP has not taken everything. */
int session_limits_answers(struct session_limits *limits, uint64_t packets, bool waiting,
			   struct err *err);
