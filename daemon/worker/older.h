/* SPDX-License-Identifier: MIT */
/*
 * Servers that have nothing of what is offered first (lib/algorithms.h: what no audit objects to, and
 * what is cheap). They are remembered, and from the second attempt on offered all there is, which is
 * still nothing that is broken.
 */
#pragma once

#include <stdbool.h>

#include "lib/connection.h"
#include "lib/err.h"

struct older {
	struct strv servers; /* "host port" */
};

void older_fini(struct older *o);
bool older_has(const struct older *o, const struct connection_settings *c);

/* After ERR_NO_COMMON_ALGORITHM: when more could be offered next time, the server is remembered, and
 * err says that it is tried again. */
void older_note(struct older *o, const struct connection_settings *c, struct err *err);
