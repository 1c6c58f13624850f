/* SPDX-License-Identifier: MIT */
/*
 * Jumps whose servers do what the test says, and tunnels as far as their jumps are concerned.
 */
#pragma once

#include "daemon/worker/hop.h"
#include "daemon/worker/jumps.h"

#define HOPS_MAX 16

/* Servers that only remember. */
struct fake_hops {
	struct loop *loop; /* with the test's clock */
	struct hop *living[HOPS_MAX]; /* started and not stopped, in the order of the starts */
	size_t count;
	unsigned starts; /* so far */
	unsigned hurried, asked;
	const char *silent; /* a host that does not answer */
	const char *in_question; /* a host that did, and was asked once more */
	unsigned channels; /* through each of them */
};

extern struct fake_hops fake;

struct stage {
	struct worker_parts parts;
	struct jumps *jumps;
};

struct traveller {
	struct jump_user user; /* .route counts */
	unsigned told;
};

int jumps_setup(void **state); /* a struct stage */
int jumps_teardown(void **state);

struct hop *living(const char *host); /* the last one; NULL: none */
unsigned living_count(const char *host);

/* "a b c": the jumps in the order they are reached; "!a": a server that is not shared. */
void join(struct stage *stage, struct traveller *t, uint64_t id, const char *way,
	  enum jump_haste haste);
void leave(struct traveller *t);
void comes_up(const char *host);
void is_lost(const char *host, enum err_code code);

void assert_failed(const struct traveller *t, size_t hop, enum err_code code);
void assert_fine(const struct traveller *t);
void assert_states(const struct traveller *t, const char *states); /* of its jumps */
