/* SPDX-License-Identifier: MIT */
/*
 * Signals that would end the process wait while it has something to end first: programs it has started
 * (the leash of struct capture_limits). What came meanwhile ends the process afterwards, as it would have.
 */
#pragma once

#include <signal.h>

/* SIGINT, SIGTERM and SIGHUP, but those the process was started to ignore (nohup). A descriptor that can
 * be read when one has come; -1: errno. */
int end_signals_hold(sigset_t *ret_before);
void end_signals_release(const sigset_t *before);
