/* SPDX-License-Identifier: MIT */
/*
 * One daemon a control socket: a lock file beside it, held for as long as the process lives. The
 * file stays when the daemon ends (removing it would let two daemons lock two files of one name).
 */
#pragma once

#include "lib/err.h"

/* The descriptor that holds the lock, or -1: ERR_ALREADY_RUNNING says who has it. */
int lock_acquire(const char *socket_path, struct err *err);
