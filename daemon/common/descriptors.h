/* SPDX-License-Identifier: MIT */
/*
 * The kernel's table of a process's descriptors. It is made for 64 of them or 256 and doubled by whichever
 * call opens one too many; and where threads share it, that call waits until every CPU has been through the
 * scheduler (expand_fdtable() in fs/file.c calls synchronize_rcu()): 10 to 100 ms in the middle of a turn of
 * the loop, and no wait for the CPU that a meter could tell from work. It never shrinks, so it is made large
 * enough while there is no thread yet.
 */
#pragma once

/* 64 KiB of the kernel's memory; beyond it each doubling costs its wait. */
#define DESCRIPTORS_ROOM 8192

/* As far as the limit of open files allows. Before the first thread: afterwards it waits itself. */
void descriptors_make_room(void);
