/* SPDX-License-Identifier: MIT */
/*
 * The way to a server: whatever has to happen until there is a descriptor with the server at its other
 * end: a name, TCP and maybe a proxy, a command, or a channel of the session before. What knows of the way ends here,
 * the session above only gets bytes.
 */
#pragma once

#include "daemon/worker/parts.h"
#include "lib/connection.h"

struct attempt_for;
struct way;

struct way_ops {
	/* fd is the receiver's: connected, non-blocking. address is where it leads, for people:
	 * "192.0.2.7:22". The way is over. */
	void (*on_connected)(void *data, int fd, const char *address);
	/* err names what could not be reached. The way is over. */
	void (*on_failed)(void *data, const struct err *err);
};

/* The settings are borrowed and must outlive the way. Neither of ops is called from within. */
struct way *way_new(const struct worker_parts *parts, const struct connection_settings *settings,
		    const struct attempt_for *purpose, const struct way_ops *ops, void *data,
		    struct err *err);
/* May be called from its callbacks. The descriptor it led to is closed, or about to be. */
void way_free(struct way *way);
/* Somebody else has the descriptor, and says goodbye on it: what the way consists of is there for a
 * while after way_free(). */
void way_linger(struct way *way);
/* The connection broke: if it is known why, that becomes the error. */
void way_explain(const struct way *way, struct err *err);

/* What it waits for, for the message when time runs out: "the name server to resolve 'db'". */
void way_describe(const struct way *way, char *out, size_t size);
