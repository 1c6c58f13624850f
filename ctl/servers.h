/* SPDX-License-Identifier: MIT */
/*
 * The servers of one tunnel as a table, for `tunctl inspect`.
 */
#pragma once

#include <jansson.h>

#include "ctl/term.h"

/* The caller frees; NULL: out of memory. */
char *servers_text(const json_t *servers, size_t indent, const struct term *term);
