/* SPDX-License-Identifier: MIT */
/*
 * Who listens on a port: the kernel lists the inodes of listening sockets in /proc/net/tcp*, and
 * the processes that hold them under /proc/PID/fd. Slow on a big machine, so it is asked for many
 * addresses at once and belongs on an offload thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "daemon/supervisor/address.h"
#include "lib/err.h"

struct port_owner {
	struct address address; /* in */
	unsigned long inode; /* 0: nobody listens there (any more) */
	bool connected; /* a connection has it, living or in TIME_WAIT: it goes by itself */
	pid_t pid; /* 0: we may not see it */
	char name[32]; /* escaped */
};

void port_owners_find(struct port_owner *owners, size_t count);

/* "127.0.0.1:5432 is in use by postgres (pid 812); choose another 'listen' or stop it" */
void port_owner_explain(const struct port_owner *owner, bool is_root, struct err *ret);

/* The command of a process, escaped; "" when it cannot be seen. Returns out. */
char *process_name(char *out, size_t size, pid_t pid);
