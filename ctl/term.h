/* SPDX-License-Identifier: MIT */
/*
 * What is known about where the output goes. A pipe gets no colour and no cuts; a terminal gets
 * what it can show.
 */
#pragma once

#include <stdbool.h>

#include "lib/str.h"

enum style {
	STYLE_NONE,
	STYLE_BOLD,
	STYLE_DIM,
	STYLE_GREEN,
	STYLE_YELLOW,
	STYLE_RED,
	STYLE_CYAN,
	STYLE_COUNT
};

struct term {
	bool tty;
	bool colour; /* a terminal that can, and the user did not say NO_COLOR */
	bool utf8; /* by the locale; else arrows and ellipses are ASCII */
	unsigned width, height; /* in cells; 0: no limit */
};

void term_init(struct term *term, int fd);

/* The words around styled text; empty without colour. */
const char *term_begin(const struct term *term, enum style style);
const char *term_end(const struct term *term, enum style style);

const char *term_arrow(const struct term *term); /* "→" */
const char *term_ellipsis(const struct term *term); /* "…" */
const char *term_bullet(const struct term *term); /* "●" */
