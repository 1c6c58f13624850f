/* SPDX-License-Identifier: MIT */
/*
 * Carries bytes between a local socket and a channel: two half-machines that share nothing but the
 * two ends. Each direction has its own end of file, so half-closed connections stay what they are,
 * and its own back-pressure: what one side does not take is not read from the other. How the two
 * ends came to be is somebody else's business (connection.h).
 */
#pragma once

#include "daemon/common/loop.h"
#include "daemon/common/wire.h"

struct channel_pipe;
struct relay;

#define RELAY_CHUNK_SIZE (128 * 1024)

/* What all relays of a worker share: the buffer between recv(2) and the channel. */
struct relay_scratch {
	char bytes[RELAY_CHUNK_SIZE];
};

/* What has passed; in: from the server. */
struct relay_traffic {
	uint64_t bytes_in, bytes_out;
	uint64_t active_ms; /* CLOCK_MONOTONIC of the last byte; 0: none yet */
};

struct relay_ops {
	/* It is over and freed after the turn. reset: with bytes on their way. */
	void (*on_end)(void *data, bool reset);
};

struct relay_settings {
	struct loop *loop;
	struct relay_scratch *scratch;
	struct wire_counters *counters; /* bytes are added here as they pass, */
	struct relay_traffic *traffic; /* and here */
	const struct relay_ops *ops;
	void *data;
};

/* Takes fd (connected, non-blocking), the open channel c, and early (malloced, may be NULL): what
 * was read from fd already; on success only. */
struct relay *relay_new(const struct relay_settings *settings, int fd, struct channel_pipe *c,
			char *early, size_t early_size, struct err *err);

/* Ends it early: orderly towards the server, with FIN or RST towards the local side. on_end is not
 * called. NULL is fine. */
void relay_end(struct relay *r, bool reset);

/* Ends it when all that the local side has sent is passed on; nothing more is expected from it. */
void relay_drain(struct relay *r);

#define RELAY_STUCK_MS 10000

/* The local side has gone, and nothing was sent since that could have told. What it sent before is
 * passed on as long as the server takes it, even after a reset; then RELAY_STUCK_MS without a byte are
 * the end. */
bool relay_is_abandoned(const struct relay *r);
