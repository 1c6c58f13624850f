/* SPDX-License-Identifier: MIT */
/*
 * Why a command did not work: the exit code for scripts, a stable word and one line for people, and
 * the list of mistakes when a configuration was refused. Whoever fails first fills it; main() shows
 * it.
 */
#pragma once

#include <jansson.h>
#include <stdio.h>

#include "lib/err.h"

/* Documented in tunctl(1). */
enum exit_code {
	EXIT_OK = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_NO_SUCH_TUNNEL = 3,
	EXIT_NOT_REACHABLE = 4,
	EXIT_TIMED_OUT = 5,
};

struct failure {
	enum exit_code exit;
	char code[48]; /* "no-such-tunnel" */
	char message[768];
	char hint[384]; /* what to do next; empty: nothing to add */
	json_t *problems; /* of a configuration; NULL: none; owned */
};

/* Always returns -1. */
int failure_set(struct failure *f, enum exit_code exit, enum err_code code, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
int failure_nomem(struct failure *f);
void failure_hint(struct failure *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Takes over what a Varlink error says. Always returns -1. */
int failure_from_reply(struct failure *f, const char *error, json_t *parameters);

/* Lines for people, or with json one object: {"error":{"code","message"}}. */
void failure_print(const struct failure *f, FILE *to, bool json);
void failure_fini(struct failure *f);
