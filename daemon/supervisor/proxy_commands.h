/* SPDX-License-Identifier: MIT */
/*
 * proxy_command: what runs for workers, which execute nothing themselves. A worker names a server of
 * one of its tunnels; the command is what our own configuration has there, and the worker gets the
 * other end of its standard input and output. It is ended when the worker says so or dies, and when we
 * end; then nothing of it is left.
 */
#pragma once

#include <jansson.h>

#include "daemon/supervisor/children.h"
#include "daemon/supervisor/tunnels.h"

struct worker;

enum {
	PROXY_COMMANDS_MAX = 1024, /* that have not ended yet */
	PROXY_COMMANDS_OF_TUNNEL = 8,
};

struct proxy_commands {
	struct list all; /* struct proxy_command */
	size_t count;
	struct loop *loop;
	struct children *children; /* borrowed, like tunnels */
	struct tunnels *tunnels;
	void (*on_over)(void *data); /* the last one has ended */
	void *data;
};

void proxy_commands_init(struct proxy_commands *ps, struct loop *loop, struct children *children,
			 struct tunnels *tunnels, void (*on_over)(void *data), void *data);
void proxy_commands_fini(struct proxy_commands *ps); /* kills what still runs */

/* Whether a message of this type is about commands. */
bool proxy_commands_know(const char *type);
/* -1 with err: nonsense. */
int proxy_commands_handle(struct proxy_commands *ps, struct worker *w, const char *type,
			  json_t *message, struct err *err);
void proxy_commands_on_worker_dead(struct proxy_commands *ps, const struct worker *w);
