/* SPDX-License-Identifier: MIT */
/*
 * Hosts that are not in `hosts`, as OpenSSH's own configuration has them: each becomes an entry as if
 * it stood there. Every host is asked for once in a reading, and again in the next one.
 *
 * ssh takes its time, so in a reading questions are gathered: a tunnel that has one waits for the answer
 * (config_tunnels.c), and all there are by then are asked together. Private to config*.c.
 */
#pragma once

#include "lib/config_read.h"
#include "lib/ssh_ask.h"

/* One that was asked about. */
struct ssh_host {
	struct config_host host;
	char *question; /* "user@host:port" */
	struct endpoint endpoint; /* the same */
	const struct node *at; /* where it is named; borrowed while it is_pending */
	bool is_pending; /* gathered, and not asked yet */
	json_t *forwards; /* {local: [...], ...} */
	struct strv notes; /* what could not be carried */
	struct config_problem mistake; /* message NULL: none */
};

struct config_ssh {
	struct ssh_ask ask;
	bool is_on;
	char *file, *home, *user;
	struct ssh_host **hosts;
	size_t host_count;
	struct strv notes; /* to be taken */
	bool gathers; /* questions are asked later */
	bool is_waiting; /* somebody has had no answer, which is yet to come */
};

/* How ssh_config (of the reading; NULL: not written) wants it. NULL: no memory. */
struct config_ssh *config_ssh_new(const struct config_context *context, const char *wanted);
void config_ssh_free(struct config_ssh *ssh);
void ssh_host_free(struct ssh_host *host);

/* What could not be carried of the hosts that were found since the last time: lines for people, the
 * caller's to free. */
struct strv config_ssh_take_notes(struct config_ssh *ssh);
/* The file that was not read because ssh is missing; NULL: none. */
const char *config_ssh_unread(const struct config_ssh *ssh);

/* config_ssh_host.c */

/* What ssh would be given on its command line for a server: what is written with its name, and for the
 * server of a tunnel that has a user of its own, that one. tunnel NULL: it is a jump. */
struct endpoint config_ssh_question(const struct endpoint *written,
				    const struct config_layer *tunnel);

/* The entry for a host; at is where it was written. NULL: ssh says nothing about it, or there are
 * mistakes, which have become problems. */
const struct config_host *config_ssh_find(struct config_ssh *ssh, struct config_decoder *d,
					  const struct endpoint *question, const struct node *at);

/* Asks all that was gathered; -1: no memory. */
int config_ssh_ask(struct config_ssh *ssh, struct config_decoder *d);

/* Appends the forwards that ssh has for a host. False after complaining. */
bool config_ssh_forwards(struct config_ssh *ssh, struct config_decoder *d,
			 const struct endpoint *question, const struct node *at,
			 struct config_forwards *to);
