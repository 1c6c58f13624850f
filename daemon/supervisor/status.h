/* SPDX-License-Identifier: MIT */
/*
 * One line about all tunnels, for the service manager: "12 up, 1 backoff". Told when it changes, at
 * most twice a second.
 */
#pragma once

#include "daemon/common/loop.h"
#include "daemon/supervisor/tunnels.h"

#define STATUS_TEXT_MAX 160

struct status {
	const struct tunnels *tunnels;
	struct tunnels_observer observer;
	struct loop_timer pause;
	bool is_stale;
	char told[STATUS_TEXT_MAX];
};

int status_init(struct status *status, struct loop *loop, struct tunnels *tunnels);
void status_fini(struct status *status);
void status_tell(struct status *status); /* now */

char *status_text(char out[STATUS_TEXT_MAX], const struct tunnels *tunnels);
