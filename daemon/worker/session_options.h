/* SPDX-License-Identifier: MIT */
/*
 * What libssh is told of the server before it connects. How to talk with it: session_algorithms.h.
 */
#pragma once

#include <libssh/libssh.h>

#include "lib/connection.h"
#include "lib/err.h"

/* An option that is text; what: its name, for the message when this libssh does not accept it. */
int session_set_option(ssh_session ssh, enum ssh_options_e option, const char *text,
		       const char *what, struct err *err);

/* Whose server it is, and as whom we come. No file is read, of OpenSSH's or of libssh's own. */
int session_set_target(ssh_session ssh, const struct connection_settings *c, struct err *err);
