/* SPDX-License-Identifier: MIT */
/*
 * What is asked of a socket before it connects, and which addresses of a server can then be reached
 * with it.
 */
#pragma once

#include "daemon/worker/dial.h"

/* Options with what they name found out: the addresses of this machine to connect from. */
struct dial_manner {
	bool keepalive;
	unsigned qos;
	char bind_name[64]; /* as written; "": the system chooses */
	struct address from4, from6; /* length 0: none of this family */
};

/* options may be NULL. -1 with ERR_CONFIG or ERR_BIND: there is no such address here. */
int dial_manner_init(struct dial_manner *m, const struct dial_options *options, struct err *err);
/* Moves the addresses that can be reached to the front; returns how many there are. 0: err says why
 * none of host's does. */
size_t dial_manner_filter(const struct dial_manner *m, enum address_family family,
			  struct address *addresses, size_t count, const char *host,
			  struct err *err);
/* Before connect(2): 0 or errno. */
int dial_manner_apply(const struct dial_manner *m, int fd, int family);
