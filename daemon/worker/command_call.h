/* SPDX-License-Identifier: MIT */
/*
 * A command that the supervisor runs for us: asked for, connected to, and given back. What became of it
 * is known before its socket ends, because the supervisor holds that open until we have heard.
 */
#pragma once

#include <jansson.h>

#include "daemon/common/loop.h"
#include "daemon/common/wire_command.h"
#include "daemon/worker/report.h"

struct command_call;

struct command_calls {
	struct list all; /* struct command_call */
	struct loop *loop;
	struct report *report; /* borrowed */
	uint64_t last_call;
};

struct command_call_ops {
	void (*on_started)(void *data, int fd); /* the receiver's: non-blocking */
	void (*on_failed)(void *data, const struct err *err);
};

void command_calls_init(struct command_calls *cs, struct loop *loop, struct report *report);
void command_calls_fini(struct command_calls *cs);

/* The call of wanted is given out here. NULL: no memory. */
struct command_call *command_call_new(struct command_calls *cs, struct wire_command *wanted,
				      const struct command_call_ops *ops, void *data,
				      struct err *err);
/* The command is ended after so long, 0: now. None of ops is called any more. */
void command_call_release(struct command_call *c, unsigned after_ms);
/* How it ended; NULL: it has not. */
const struct err *command_call_end(const struct command_call *c);

/* What the supervisor says. fds are the caller's, what is taken becomes -1. -1 with err: nonsense. */
int command_calls_started(struct command_calls *cs, json_t *message, int *fds, size_t fd_count,
			  struct err *err);
int command_calls_ended(struct command_calls *cs, json_t *message, struct err *err);
