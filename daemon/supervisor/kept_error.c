/* SPDX-License-Identifier: MIT */
#include "daemon/supervisor/kept_error.h"

#include <stdlib.h>
#include <string.h>

bool kept_error_is(const struct err *kept, const struct err *now)
{
	if (!now || now->code == ERR_NONE)
		return !kept;
	return kept && kept->code == now->code && strcmp(kept->msg, now->msg) == 0;
}

void kept_error_set(struct err **kept, const struct err *now)
{
	if (!now || now->code == ERR_NONE) {
		free(*kept);
		*kept = NULL;
		return;
	}
	if (!*kept)
		*kept = malloc(sizeof(**kept));
	if (*kept)
		**kept = *now;
}
