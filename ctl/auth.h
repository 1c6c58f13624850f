/* SPDX-License-Identifier: MIT */
/*
 * A person lets a tunnel in: what it is asked on its way is answered here.
 */
#pragma once

#include "ctl/ctl.h"

/* Whether somebody's answers are what this tunnel failed for. */
bool auth_is_wanted(const json_t *tunnel);

/* Attends to the tunnel until it has settled; *ret is then the last word about it, a new reference.
 * timeout_ms: without a question, and without an end. -1 with f filled. */
int auth_attend(struct ctl *ctl, const char *name, unsigned timeout_ms, json_t **ret,
		struct failure *f);
