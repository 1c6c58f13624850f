/* SPDX-License-Identifier: MIT */
/*
 * Text as cells of a terminal: how wide it is, cutting it, breaking it into lines. Expects what
 * str_escape() makes: valid UTF-8 without control characters.
 */
#pragma once

#include <stddef.h>

#include "lib/str.h"

size_t text_width(const char *text); /* in cells */

/* Adds text, cut to width cells with mark at the end when it is wider. Returns the cells used. */
size_t text_add_cut(struct strbuf *to, const char *text, size_t width, const char *mark);

/* Adds text and a newline; lines longer than width (0: no limit) are broken between words, and
 * every line starts with indent spaces. A word that is wider than a line is left whole. */
void text_add_wrapped(struct strbuf *to, const char *text, size_t indent, size_t width);

void text_add_spaces(struct strbuf *to, size_t count);
