/* SPDX-License-Identifier: MIT */
/*
 * What went wrong with a session, read from the text libssh keeps of its last error.
 */
#pragma once

#include <libssh/libssh.h>
#include <stdbool.h>

#include "lib/err.h"

/* The error in our words; what: "key exchange". Returns -1. */
int session_explain(ssh_session ssh, const char *what, struct err *err);
/* The text only says that the connection is gone. */
bool session_says_nothing(ssh_session ssh);
/* libssh 0.11 and later throw away what comes beyond a window, leave this text behind and go on: the
 * stream would have a hole that nobody hears of. */
bool session_has_lost_data(ssh_session ssh);
