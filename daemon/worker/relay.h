/* SPDX-License-Identifier: MIT */
/*
 * Carries bytes between a local socket and a channel: two half-machines that share nothing but the
 * two ends. Each direction has its own end of file, so half-closed connections stay what they are,
 * and its own back-pressure: what one side does not take is not read from the other.
 */
#pragma once

#include "daemon/common/loop.h"
#include "daemon/common/wire.h"

struct relay;
struct session;

#define RELAY_CHUNK_SIZE (128 * 1024)

/* What all relays of a worker share: the buffer between recv(2) and the channel. */
struct relay_scratch {
	char bytes[RELAY_CHUNK_SIZE];
};

struct relay_ops {
	/* The server accepted the channel (err NULL), or not: then on_end follows. */
	void (*on_open)(void *data, const struct err *err);
	/* It is over and freed after the turn. */
	void (*on_end)(void *data, struct relay *r);
};

struct relay_settings {
	struct loop *loop;
	struct relay_scratch *scratch;
	struct wire_counters *counters; /* bytes are added here as they pass */
	const struct relay_ops *ops;
	void *data;
};

/* Takes fd (connected, non-blocking) on success and opens a channel to host:port on s. */
struct relay *relay_open(const struct relay_settings *settings, int fd, struct session *s,
			 const char *host, unsigned port, const char *originator,
			 unsigned originator_port, struct err *err);

/* Ends it early: orderly towards the server, with FIN or RST towards the local side. on_end is not
 * called. */
void relay_end(struct relay *r, bool reset);

/* The server has not answered yet, and the local side has reset its connection meanwhile. */
bool relay_is_abandoned(const struct relay *r);

struct list *relay_link(struct relay *r); /* for the owner's list */
struct relay *relay_from_link(struct list *link);

/* Closes fd so that its peer sees a reset, not an orderly end. */
void relay_reset_socket(int fd);
