/* SPDX-License-Identifier: MIT */
/*
 * Listening sockets in the file system. One is made under a hidden name, given its owner group and
 * mode, told to listen and only then renamed to where clients look for it, so that nobody connects
 * before the rights are right. What stands in the way is replaced only when it is a socket on which
 * nobody listens; and what is removed is only what was made here. A file is known by device and
 * inode, because its name may be another file's by now.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "lib/err.h"

/* Who may connect. */
struct unix_rights {
	mode_t mode;
	const char *group; /* NULL: the daemon's own */
	gid_t gid; /* of group */
};

struct unix_file {
	dev_t device;
	ino_t inode;
};

/* The listening descriptor, or -1; ERR_PORT_IN_USE: somebody else listens there. */
int unix_socket_open(const char *path, const struct unix_rights *rights, int backlog,
		     struct unix_file *ret, struct err *err);
/* False: path is not this file any more, or it cannot be changed. */
bool unix_socket_set_rights(const char *path, const struct unix_file *file,
			    const struct unix_rights *rights);
/* What has this name is another file by now, or there is none. */
bool unix_socket_is_lost(const char *path, const struct unix_file *file);
void unix_socket_remove(const char *path, const struct unix_file *file);
