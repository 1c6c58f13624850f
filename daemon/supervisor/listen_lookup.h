/* SPDX-License-Identifier: MIT */
/*
 * What has to be looked up before a forward can listen: the addresses of a name, the number of a
 * group. Both may ask a server over the network, so they are asked on a thread.
 */
#pragma once

#include "daemon/common/offload.h"
#include "daemon/supervisor/address.h"

struct listen_answer {
	struct address addresses[LISTEN_ADDRESSES_MAX]; /* of the host, each once, without a port */
	size_t count; /* at least 1 when a host was asked for */
	gid_t gid; /* of the group */
	struct err err; /* ERR_NONE: all is known */
};

/* host or group may be NULL. on_done is called from the loop. NULL: out of memory. */
struct offload_job *listen_lookup(struct offload *names, const char *host, const char *group,
				  void (*on_done)(void *asker, const struct listen_answer *answer),
				  void *asker);
