/* SPDX-License-Identifier: MIT */
/*
 * Spans of time as people write them: `500ms`, `15s`, `5m`, `1h30m`; a bare number is seconds. Kept
 * in milliseconds; the longest is a little under 50 days.
 */
#pragma once

#include "lib/err.h"

enum { DURATION_TEXT_MAX = 32 };

/* ERR_CONFIG when text is none, or too long to count. */
int duration_parse(const char *text, unsigned *ret_ms, struct err *err);

/* "1h30m", "1s500ms", "0s". Returns out. */
char *duration_format(char out[DURATION_TEXT_MAX], unsigned ms);
