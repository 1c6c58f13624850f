/* SPDX-License-Identifier: MIT */
/*
 * What workers say of their tunnels, written into the registry. It comes from a process that talks
 * to hostile servers, so nothing in it is believed before it is checked: -1 means nonsense.
 */
#pragma once

#include <jansson.h>

#include "daemon/supervisor/sync.h"

int reports_handle(struct sync *s, struct worker *w, const char *type, json_t *message,
		   struct err *err);
