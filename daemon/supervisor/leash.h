/* SPDX-License-Identifier: MIT */
/*
 * Programs that are run while a configuration is read (`ssh -G`, and with it any `Match exec`) end with the
 * daemon, whatever they wait for. They hang on one descriptor: before there is a loop it is readable when
 * a signal wants the process to end, afterwards when the leash is cut. Its number stays the same, because
 * configurations remember it.
 */
#pragma once

#include <signal.h>
#include <stdbool.h>

#include "lib/err.h"

struct leash {
	int fd; /* for struct capture_limits */
	int end; /* the other one; -1: it is a signal that is waited for */
	sigset_t before; /* what end_signals_hold() has changed */
};

/* From now on signals that would end the process end programs first. */
int leash_open(struct leash *leash, struct err *err);
/* What came meanwhile ends the process now, as it would have done. */
void leash_release_signals(struct leash *leash);
/* The same, and from now on leash_cut() ends programs. */
int leash_settle(struct leash *leash, struct err *err);
/* Ends the programs that run, and those that would be started later. Does not wait; idempotent. */
void leash_cut(struct leash *leash);
/* A descriptor; until it is closed, leash_close() waits. -1: there are none left. */
int leash_hold(const struct leash *leash);
/* Cuts it and waits a moment for programs that are being ended and for whoever holds it. False: somebody
 * still does. */
bool leash_close(struct leash *leash);
