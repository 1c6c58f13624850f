/* SPDX-License-Identifier: MIT */
/*
 * The last error of something, allocated only while there is one: most things have none.
 */
#pragma once

#include <stdbool.h>

#include "lib/err.h"

/* Whether it says the same; NULL or ERR_NONE is no error. */
bool kept_error_is(const struct err *kept, const struct err *now);
/* Best effort: without memory there is no reason to show. */
void kept_error_set(struct err **kept, const struct err *now);
