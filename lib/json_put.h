/* SPDX-License-Identifier: MIT */
/*
 * Builds the mapping of a tunnel or host value by value, as options of a command line come: in any
 * order, and the same one several times.
 */
#pragma once

#include <jansson.h>

#include "lib/err.h"

/* Takes over value (NULL: no memory, or no UTF-8). key may have dots: "keepalive.interval" stands below
 * "keepalive". A key that is there already becomes a list, unless value is a mapping and so was the one
 * before: ERR_USAGE when a key and keys below it exclude each other. */
int json_put(json_t *object, const char *key, json_t *value, struct err *err);
