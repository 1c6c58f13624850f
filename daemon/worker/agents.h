/* SPDX-License-Identifier: MIT */
/*
 * What the agents have, as far as a worker has seen it. Whoever failed for want of a key waits here for
 * an agent that gets other ones: the agent is asked from time to time, once for all who wait, and no
 * server is asked meanwhile.
 */
#pragma once

#include "daemon/common/loop.h"
#include "lib/ssh_bytes.h"

struct agents;
struct known_agent;

/* {0} is one that waits for nothing. */
struct agent_watch {
	struct list link; /* known_agent.watches, with .agent */
	struct known_agent *agent; /* NULL: not waiting */
	/* It has keys that it did not have; the watch is over. Must not call agents.h. */
	void (*on_change)(void *data);
	void *data;
};

struct agents *agents_new(struct loop *loop); /* NULL: out of memory */
void agents_free(struct agents *as); /* nobody may wait any more; NULL is fine */

/* An attempt has asked: the body of the answer, or {0} when there was none. */
void agents_note(struct agents *as, const char *path, struct ssh_span answer);

/* Waits for other keys. True: it has got some since then already, and the watch has not begun. Without
 * memory nobody is told. */
bool agents_watch(struct agents *as, struct agent_watch *w, const char *path, uint64_t since_ms);
void agents_unwatch(struct agent_watch *w);
