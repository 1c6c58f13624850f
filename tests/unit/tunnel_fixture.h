/* SPDX-License-Identifier: MIT */
/*
 * A tunnel with a forward, on a clock the test moves, whose sessions and jumps follow a script
 * (fake_tunnel.h). It is number 7, called "db", and not started.
 */
#pragma once

#include "daemon/worker/tunnel.h"
#include "tests/unit/fake_loop.h"
#include "tests/unit/fake_tunnel.h"

struct stage {
	struct worker_parts parts;
	struct tunnel *tunnel; /* a test that frees it leaves NULL */
};

extern struct loop *the_loop;

/* "a.example jump>b.example": its servers, best first, with the jumps before each. */
struct config_tunnel *tunnel_spec(const char *routes);

int tunnel_setup(void **state, const char *routes); /* a struct stage */
int tunnel_teardown(void **state);
