/* SPDX-License-Identifier: MIT */
/*
 * What the log says of tunnels: one line a change that matters to people. A reason for waiting that
 * repeats itself is said at its first three times and then at every power of two, so that a server
 * that is down for a week fills no disk.
 */
#pragma once

#include "daemon/supervisor/servers.h"

/* A tunnels_observer.on_event; data is not used. */
void tunnel_log_event(void *data, struct tunnel *t, enum tunnel_event event);

/* After a change of one of several servers. */
void tunnel_log_server(const struct tunnel *t, struct server *s, const char *host);

/* After a change: a target that does not answer leaves its tunnel up, but somebody will wonder; and
 * whether and where the server listens is known only from it. */
void tunnel_log_forward(struct forward *f);
