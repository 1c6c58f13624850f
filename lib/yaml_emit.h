/* SPDX-License-Identifier: MIT */
/*
 * A tree to YAML text that yaml_parse() reads back as the same tree, laid out as a person would:
 * mappings in block style, what is small and deep in one line.
 */
#pragma once

#include <jansson.h>

#include "lib/err.h"

/* The caller frees; NULL: err is set. */
char *yaml_emit(const json_t *document, struct err *err);
