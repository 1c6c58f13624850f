/* SPDX-License-Identifier: MIT */
/*
 * What changes the configuration at run time: reloads, tunnels that are added, tunnels that are
 * dropped. They stand in one queue and happen one after the other, each with its slow half
 * (reading, fsync) on an offload thread and its quick half on the loop; so none of them ever sees
 * another one half done. Reloads that wait become one. A success is answered when it is in force:
 * when workers have let go of what was removed, and its ports are free.
 */
#pragma once

#include <jansson.h>

#include "daemon/common/offload.h"
#include "lib/list.h"

struct change;
struct call;
struct supervisor;

/* A kind of change. */
struct change_ops {
	const char *name;
	/* On the loop, when its turn has come. False: it was answered, there is nothing to do. */
	bool (*begin)(struct supervisor *s, struct change *c);
	void (*work)(struct change *c); /* on a thread; touches only c->data */
	void (*finish)(struct supervisor *s, struct change *c); /* on the loop; answers */
	/* The reply of a success, made when it is in force; NULL: what finish() said. */
	json_t *(*describe)(struct supervisor *s, struct change *c);
	void (*free)(void *data);
};

struct change {
	struct list link; /* changes.queue */
	struct changes *owner;
	const struct change_ops *ops;
	struct list callers; /* struct change_caller */
	void *data; /* owned */
	struct offload_job *job;
	int hold; /* on the leash, while its thread may look at the configuration; -1: not */
	bool is_done; /* successfully, and not answered yet */
	json_t *reply; /* for then; may be NULL */
};

struct changes {
	struct supervisor *supervisor;
	struct list queue; /* struct change that has not begun */
	struct change *current;
	struct loop_defer next;
	struct loop_timer patience; /* for a worker that does not let go */
};

int changes_init(struct changes *cs, struct supervisor *s); /* -1: no memory */
void changes_fini(struct changes *cs); /* after control_close(): nobody waits for an answer */

/* Queues a change; takes data over, even on failure. call may be NULL (a signal). -1: no memory. */
int changes_add(struct changes *cs, const struct change_ops *ops, void *data, struct call *call);
/* A queued change of this kind that has not begun, to be joined instead. */
struct change *changes_find_waiting(struct changes *cs, const struct change_ops *ops);
int change_join(struct change *c, struct call *call);

/* What was changed is in force. */
void changes_settled(struct changes *cs);

/* Answer everybody who asked for it: with an error now, with success as soon as it is in force. The
 * reference to parameters is taken. */
void change_reply(struct change *c, json_t *parameters);
void change_error(struct change *c, const char *error, json_t *parameters);
