/* SPDX-License-Identifier: MIT */
/*
 * Moves a tunnel that lives to other settings: forwards that are equal stay what they are, with
 * their sockets and connections; the others come and go within the session.
 */
#pragma once

#include "daemon/supervisor/supervisor.h"

/* What spec says holds from now on; to be followed by sync_tunnel(). -1: out of memory; then some
 * forward of spec is missing. */
int rebase(struct supervisor *s, struct tunnel *t, const struct config_tunnel *spec);
