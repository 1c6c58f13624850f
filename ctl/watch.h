/* SPDX-License-Identifier: MIT */
/*
 * A table that is drawn anew every second: `list -w` and `connections -w`.
 */
#pragma once

#include "ctl/ctl.h"

struct view {
	/* What there is to show, an array (new reference). NULL with f filled. */
	json_t *(*fetch)(struct ctl *ctl, struct failure *f);
	/* The table of it. The caller frees; NULL: out of memory. */
	char *(*text)(const json_t *items, const struct term *term);
	void (*summary)(struct strbuf *to, const json_t *items); /* one line */
};

/* Redraws until interrupted. An exit code, or -1 with f filled. */
int watch(struct ctl *ctl, const struct view *view, struct failure *f);
