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
	unsigned left_ms; /* of SSH_ASK_ALL_MS */
	bool is_missing; /* there is no ssh */
	struct ssh_output unset; /* what ssh says without any file */
	struct ssh_output usual; /* and with the system's only; empty: not known */
	bool knows_usual; /* it was asked for */
	char *complaint_path; /* err.at.file of the last error */
};

struct ssh_question {
	const char *host, *user; /* user NULL: not said */
	unsigned port; /* 0: not said */
};

/* The strings are borrowed. */
void ssh_ask_init(struct ssh_ask *ask, capture_fn *run, const char *config, const char *home,
		  const char *local_user);
void ssh_ask_fini(struct ssh_ask *ask);

/* Tells sink what was set for the host: keys of an entry of `hosts`, address included, and forwards.
 * ERR_CONFIG with err->at where ssh found a mistake (valid until the next question); ERR_UNSUPPORTED and
 * is_missing when there is no ssh. */
int ssh_ask_host(struct ssh_ask *ask, const struct ssh_question *question,
		 const struct ssh_sink *sink, struct err *err);
