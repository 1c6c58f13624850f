/* SPDX-License-Identifier: MIT */
/*
 * Host keys are written down here and nowhere else: the first key of a server that `host_key:
 * accept-new` is for, at a worker's request, and what a person accepts with `tunctl hostkey accept`.
 * Both are looked at again on the disk thread, right before the file is written, one after the
 * other; so a hundred tunnels that meet the same new server make one line.
 */
#pragma once

#include <jansson.h>

#include "daemon/common/offload.h"
#include "daemon/supervisor/sync.h"
#include "lib/connection.h"
#include "lib/list.h"
#include "lib/public_key.h"

struct host_key_write;

/* Whoever wants to know. */
struct host_key_writer {
	/* On the loop, when it is done or has failed. */
	void (*on_done)(void *data, const struct host_key_write *w);
	void (*free)(void *data); /* after that, or instead of it when the daemon ends */
	void *data;
};

/* What is to be written. */
struct host_key_write {
	struct list link; /* host_keys.queue */
	struct host_keys *owner;
	char *host, *alias;
	unsigned port;
	struct strv files;
	struct public_key key;
	bool is_accepted; /* by a person: it may take an old key's place */

	char *label; /* filled in by the thread, like what follows */
	char *file; /* that was written; NULL: the key was known already */
	struct err err;

	struct host_key_writer writer;
};

struct host_keys {
	struct offload *disk;
	struct workers *workers;
	struct tunnels *tunnels;
	struct list queue; /* struct host_key_write that has not begun */
	size_t waiting; /* in queue */
	struct host_key_write *current;
	struct offload_job *job; /* of current */
};

void host_keys_init(struct host_keys *hk, struct offload *disk, struct tunnels *tunnels);
void host_keys_fini(struct host_keys *hk);

/* Copies settings and key; the writer's data stays the caller's on failure (-1: out of memory, or
 * too many wait). */
int host_keys_write(struct host_keys *hk, const struct connection_settings *c,
		    const struct public_key *key, bool is_accepted,
		    const struct host_key_writer *writer, struct err *err);

/* Whether a worker's message of this type is for here. */
bool host_keys_know(const char *type);
/* -1 with err: nonsense. */
int host_keys_handle(struct host_keys *hk, struct worker *w, const char *type, json_t *message,
		     struct err *err);
