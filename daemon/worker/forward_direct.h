/* SPDX-License-Identifier: MIT */
/*
 * Connections that are asked for one at a time over the control socket (tunctl nc, ssh -W). Whoever
 * asks names a call; while there is no session he waits as long as a client of a listening socket
 * would. When the far end is reached he is told, and brings the socket.
 */
#pragma once

#include "daemon/worker/forward.h"

/* The tunnel's, made when the first one asks. NULL: out of memory. */
struct forward *forward_direct_new(const struct worker_parts *parts, uint64_t tunnel,
				   const struct forward_ops *ops, void *data, struct err *err);

/* Takes what target holds. The answer goes to the report as `connected`. */
void forward_direct_connect(struct forward *f, uint64_t call, struct config_end *target,
			    unsigned hold_ms);
/* Brings the socket (taken: set to -1). False: there is no such call. */
bool forward_direct_attach(struct forward *f, uint64_t call, int *fd);
bool forward_direct_cancel(struct forward *f, uint64_t call);
