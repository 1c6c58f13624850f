/* SPDX-License-Identifier: MIT */
/*
 * Which server is meant, as one text: not its address alone, because 10.0.0.5:22 behind one bastion is
 * another server than 10.0.0.5:22 behind the next. So it holds all that decides where an address leads:
 * the jumps, the proxy or the command before it. Who logs in there makes no difference.
 */
#pragma once

#include "lib/connection.h"

/* before: the name of the jump that it is reached through; NULL: it is the first on its way. The caller
 * frees; NULL: no memory. */
char *way_name(const char *before, const struct connection_settings *c);
