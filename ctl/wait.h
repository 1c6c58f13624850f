/* SPDX-License-Identifier: MIT */
/*
 * Waiting until tunnels have settled: `up`, `restart` and `add` end here.
 */
#pragma once

#include "ctl/ctl.h"

/* Calls method (Up or Restart) for names (an array, the reference is taken) and, unless --no-wait,
 * follows the tunnels until they are up or have failed. An exit code, or -1 with f filled. */
int wait_for_tunnels(struct ctl *ctl, const char *method, json_t *names, struct failure *f);

/* The verdict on one tunnel that has settled, as `up` gives it; the exit code. */
int wait_tell_end(const struct ctl *ctl, const json_t *tunnel);

/* "db-prod: backoff: retry in 4s (attempt 3): connection refused" */
void wait_print_progress(const json_t *tunnel, FILE *to, const char *prefix);

/* --timeout in ms; -1 with f filled when it is no duration. */
int wait_timeout(const struct ctl *ctl, unsigned *ret_ms, struct failure *f);
