/* SPDX-License-Identifier: MIT */
/*
 * The table of a tunnel's forwards, in `inspect` and after `forward`.
 */
#pragma once

#include <jansson.h>

#include "ctl/term.h"

/* indent: of every line, in spaces. The caller frees; NULL: out of memory. */
char *forwards_text(const json_t *tunnel, size_t indent, const struct term *term);
