/* SPDX-License-Identifier: MIT */
/*
 * The connection to the daemon: a socket that never blocks, poll() and a deadline. Which socket:
 * the one the user named, else the first that somebody listens on, the user's own instance before
 * the system's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ctl/failure.h"
#include "lib/varlink.h"

#define CLIENT_ANSWER_MS 10000 /* what every call without waiting is answered in */

struct client {
	int fd; /* -1: not open */
	int interrupt_fd; /* ends every waiting once it is readable; borrowed; -1: none */
	char *path;
	struct varlink_reader reader;
};

/* clang-format off */
#define CLIENT_CLOSED { .fd = -1, .interrupt_fd = -1 }
/* clang-format on */

/* named: the socket the user insists on; NULL: look for a live one. */
int client_open(struct client *c, const char *named, struct failure *f);
void client_close(struct client *c);

/* Sends a call within CLIENT_ANSWER_MS. Takes the reference to parameters. */
int client_send(struct client *c, const char *method, json_t *parameters, bool more,
		struct failure *f);

/* The same for a call with `upgrade`: once it is answered, the connection carries no messages any
 * more, and client_rest() is what came behind the answer (borrowed). */
int client_send_upgrade(struct client *c, const char *method, json_t *parameters,
			struct failure *f);
const char *client_rest(const struct client *c, size_t *ret_size);

/* 1: a reply; *ret are its parameters (a new reference, never NULL), *ret_continues: more will
 * come. 0: the deadline (monotonic ms) has passed. -1: an error reply, or the connection is lost.
 */
int client_receive(struct client *c, uint64_t deadline_ms, json_t **ret, bool *ret_continues,
		   struct failure *f);

/* Whether the next reply has been read already, so that waiting for the socket would miss it. */
bool client_is_ahead(const struct client *c);

/* Says that no answer came within so long; -1. */
int client_no_answer(struct client *c, unsigned waited_ms, struct failure *f);
