/* SPDX-License-Identifier: MIT */
/*
 * Asks OpenSSH what its configuration says about a host, so that Match, Include, tokens and every
 * keyword mean exactly what they mean to ssh. What its author set is what differs from what ssh says
 * without any file. Whoever asks lends the function that runs programs; each answer costs a child for
 * some milliseconds, and `Match exec` of the file may run others.
 */
#pragma once

#include "lib/capture.h"
#include "lib/ssh_keywords.h"

enum {
	SSH_ASK_MS = 3000, /* for one host */
	SSH_ASK_ALL_MS = 60000, /* for all hosts of one reading */
};

struct ssh_ask {
	capture_fn *run;
	const char *config; /* a file instead of ssh's own; NULL: those */
	const char *home, *local_user;
	struct capture_limits limits; /* a leash may be put into it */
	unsigned left_ms; /* of SSH_ASK_ALL_MS */
	bool is_missing; /* there is no ssh */
	struct ssh_output unset; /* what ssh says without any file */
	struct ssh_output usual; /* and with the system's only; empty: not known */
};

struct ssh_question {
	const char *host, *user; /* user NULL: not said */
	unsigned port; /* 0: not said */
	const struct ssh_sink *sink;

	/* the answer */
	int rc;
	struct err err;
	char *complaint_path; /* err.at.file, if it names one */
};

/* The strings are borrowed. */
void ssh_ask_init(struct ssh_ask *ask, capture_fn *run, const char *config, const char *home,
		  const char *local_user);
void ssh_ask_fini(struct ssh_ask *ask);

/* Asks about several hosts, a few at a time, and tells the sinks one after the other, in the order of the
 * questions, what was set: keys of an entry of `hosts`, address included, and forwards. rc -1: ERR_CONFIG
 * with err.at where ssh found a mistake; ERR_UNSUPPORTED and is_missing when there is no ssh. */
void ssh_ask_hosts(struct ssh_ask *ask, struct ssh_question *questions, size_t count);
void ssh_question_fini(struct ssh_question *question);
