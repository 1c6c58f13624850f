/* SPDX-License-Identifier: MIT */
/*
 * What a tunnel's machine stands on, scripted: an attempt whose steps answer what the test says, a
 * forward that remembers what it was told, reports that are kept.
 */
#pragma once

#include "daemon/worker/attempt.h"
#include "daemon/worker/forward_local.h"
#include "daemon/worker/keepalive.h"

struct attempt {
	const struct attempt_ops *ops;
	void *data;
};

/* What each step answers, and what became of it. */
struct script {
	enum step answers[TUNNEL_STATE_COUNT];
	struct err why; /* for STEP_FAIL */
	struct attempt *living; /* never more than one, unless the test forgets it */
	unsigned started;
};

enum told { TOLD_NOTHING, TOLD_SERVE, TOLD_HOLD, TOLD_REFUSE };

struct forward {
	struct list link;
	uint64_t id;
	const struct forward_ops *ops;
	void *data;
	enum told told;
	bool waiting;
	struct err error;
	struct wire_counters counters;
	unsigned cut; /* connections ended with a reset */
};

/* What was told last, by whom; a test has one stage. */
struct heard {
	struct wire_tunnel_state last;
	char states[1024]; /* words, separated by blanks */
	struct forward *forward; /* the last one made */
	struct keepalive *keepalive; /* while one is open */
	unsigned asked; /* keepalive_ask() calls */
};

extern struct script script;
extern struct heard heard;

void fake_tunnel_reset(void); /* every step goes on at once */
