/* SPDX-License-Identifier: MIT */
/*
 * What an attempt needs from the disk: the keys of the server that are known, and ours. Read on a
 * thread, while the network is busy anyway. (Its name begins with auth_ because it holds keys of
 * libssh.)
 */
#pragma once

#include "daemon/common/offload.h"
#include "daemon/worker/auth.h"
#include "daemon/worker/hostkey.h"
#include "lib/connection.h"

struct preparation {
	struct connection_settings settings; /* a copy, for the thread */
	struct hostkey_trust trust;
	struct identities identities;
	struct auth_secrets secrets;
	struct err error; /* why the attempt cannot go on; ERR_NONE: it can */
};

/* On the loop; p is the receiver's. */
typedef void (*preparation_done_fn)(void *data, struct preparation *p);

/* NULL: out of memory. offload_cancel() ends it, and nobody is told. */
struct offload_job *preparation_start(struct offload *pool,
				      const struct connection_settings *settings,
				      preparation_done_fn on_done, void *data, struct err *err);
void preparation_free(struct preparation *p); /* NULL is fine */
