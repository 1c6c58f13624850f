/* SPDX-License-Identifier: MIT */
/*
 * Decrypting one private key on a thread: a hundred rounds of bcrypt take a second.
 */
#pragma once

#include "daemon/common/offload.h"
#include "daemon/worker/auth_keys.h"
#include "daemon/worker/step.h"

struct auth_unlock;

/* on_done: call auth_unlock_step() again. Copies path and passphrase, and wipes the latter. NULL: out
 * of memory. */
struct auth_unlock *auth_unlock_start(struct offload *threads, const char *path,
				      const char *passphrase, void (*on_done)(void *data),
				      void *data);
/* STEP_NEXT: *ret_key is the caller's. */
enum step auth_unlock_step(struct auth_unlock *u, ssh_key *ret_key, struct err *err);
void auth_unlock_free(struct auth_unlock *u); /* also while it works; NULL is fine */
