/* SPDX-License-Identifier: MIT */
/*
 * Servers that may not like the password that is kept for them. A server that ends the session with each
 * refusal never gets to the second one in a row (auth_kbdint.c), so what was learnt outlives the session.
 */
#pragma once

enum { DOUBTS_SERVERS_MAX = 64 }; /* which is forgotten costs one try more */

struct doubts {
	struct {
		char *server; /* its connection_name() */
		unsigned count;
	} items[DOUBTS_SERVERS_MAX];
	unsigned next; /* to be replaced */
};

void doubts_fini(struct doubts *d); /* {0} is one without doubts */
unsigned doubts_get(const struct doubts *d, const char *server);
void doubts_set(struct doubts *d, const char *server, unsigned count); /* 0: none any more */
