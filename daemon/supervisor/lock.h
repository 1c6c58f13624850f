/* SPDX-License-Identifier: MIT */
/*
 * One daemon a control socket: a lock file beside it, held for as long as the process lives. The
 * file stays when the daemon ends (removing it would let two daemons lock two files of one name).
 */
#pragma once

#include <stdbool.h>

#include "lib/err.h"

/* The descriptor that holds the lock, or -1: ERR_ALREADY_RUNNING says who has it. */
int lock_acquire(const char *socket_path, struct err *err);
/* Somebody has removed the file, or put another one in its place: another daemon could lock that. */
bool lock_is_lost(int fd, const char *socket_path);
/* Locks the file that is there now, or a new one, and holds it with the same descriptor. */
int lock_renew(int fd, const char *socket_path, struct err *err);
