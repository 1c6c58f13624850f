/* SPDX-License-Identifier: MIT */
/*
 * The table of tunnels as text; `tunctl list` prints it, `list -w` redraws it (watch.c).
 */
#pragma once

#include "ctl/ctl.h"

/* All tunnels the command line asks for, an array (new reference). NULL with f filled. */
json_t *list_fetch(struct ctl *ctl, struct failure *f);

/* The table, or a sentence when there are none. The caller frees; NULL: out of memory. */
char *list_text(const json_t *tunnels, const struct term *term);

/* "12 tunnels: 10 up, 1 backoff, 1 failed". */
void list_summary(struct strbuf *to, const json_t *tunnels);

/* Redraws until interrupted. An exit code, or -1 with f filled. */
int list_watch(struct ctl *ctl, struct failure *f);
