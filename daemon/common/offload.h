/* SPDX-License-Identifier: MIT */
/*
 * Threads for what blocks. A job is a function that runs on a pool's thread and a second one that
 * runs on the loop with the result. Pools are separate (names, keys, disk), so that a DNS server
 * that does not answer never delays a key. Threads start when there is work and end when idle.
 */
#pragma once

#include "daemon/common/loop.h"

struct offload; /* a pool */
struct offload_job; /* one piece of work under way */

typedef void (*offload_work_fn)(void *data); /* on a thread: touches only data */
typedef void (*offload_done_fn)(void *data); /* on the loop: frees data; not called if canceled */

/* name: for threads ("tunneld/names"), at most 15 bytes. */
struct offload *offload_new(struct loop *loop, const char *name, unsigned threads, struct err *err);
/* Jobs under way are canceled; a thread stuck in one is left behind, idle ones are waited for. */
void offload_free(struct offload *pool);

/* exit(); but with threads left behind, nothing is torn down that they still work with (libcrypto takes
 * its state away at exit, and a key under way would end the process with a crash). */
__attribute__((noreturn)) void offload_exit(int status);

/* NULL when out of memory (then free_fn was not called and data stays the caller's). */
struct offload_job *offload_submit(struct offload *pool, offload_work_fn work, offload_done_fn done,
				   void (*free_fn)(void *data), void *data);
/* done will not be called; data is freed with free_fn once no thread uses it. */
void offload_cancel(struct offload_job *job);
