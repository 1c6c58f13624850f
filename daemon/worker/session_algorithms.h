/* SPDX-License-Identifier: MIT */
/*
 * How a session is to talk: the algorithms it offers, compression, and when keys are exchanged
 * again. Names that this libssh does not know are passed over by it.
 */
#pragma once

#include <libssh/libssh.h>

#include "lib/connection.h"
#include "lib/err.h"

/* host_keys: the list to offer for host keys, complete. everything: not only what is offered first. */
int session_set_algorithms(ssh_session ssh, const struct connection_settings *c,
			   const char *host_keys, bool everything, struct err *err);
