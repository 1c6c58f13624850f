/* SPDX-License-Identifier: MIT */
/*
 * What a child does between fork(2) and exec(3), safe also after a fork of a program with threads. Its
 * parent reads from a pipe that the exec closes: nothing, or the errno of what failed before.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/* All as after a login: nothing is blocked, handled or ignored. */
void newborn_reset_signals(void);
/* To be killed when the thread that has forked ends. False: errno says why (ESRCH: parent is gone). */
bool newborn_dies_with(pid_t parent);
/* Tells errno, and ends. */
__attribute__((noreturn)) void newborn_fail(int report);
