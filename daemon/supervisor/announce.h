/* SPDX-License-Identifier: MIT */
/*
 * Tells a worker of a forward: its settings, its listening sockets or why there are none, and where
 * the server listened for it last. A range of ports has more sockets than one message takes; the
 * rest follows in messages of its own.
 */
#pragma once

#include "daemon/supervisor/tunnels.h"

/* The tunnel has a worker that runs, and f->listening, if it has one, is decided. */
void forward_announce(struct forward *f);
