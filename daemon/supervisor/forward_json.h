/* SPDX-License-Identifier: MIT */
/*
 * Forwards written down so that the configuration's decoder reads the very same ones again: what is
 * kept in the state directory of those that were added at run time.
 */
#pragma once

#include <jansson.h>

#include "lib/config.h"

/* { local: [...], remote: [...], dynamic: [...] }; a key without forwards is missing. added_only:
 * not those that stand in a file. NULL: out of memory. */
json_t *forward_json(const struct config_tunnel *tunnel, bool added_only);
