/* SPDX-License-Identifier: MIT */
/*
 * What the control socket is in the file system: its directory, the lock beside it and the socket's file.
 * The socket is bound under another name and renamed when it can be served, so that a client that sees it
 * can use it. What somebody removes while the daemon runs is made anew, but only with the lock in hand:
 * another daemon may have come meanwhile. Blocks for as long as a few local files take.
 */
#pragma once

#include "daemon/supervisor/unix_socket.h"

struct control_file {
	char *path;
	char *hidden_path; /* what it is called until it is published */
	int lock; /* borrowed, of lock_acquire() */
	bool is_shared; /* other users of the group may connect */
	gid_t gid; /* (gid_t)-1: there is no such group */
	struct unix_file id; /* what was published; zero: nothing */
};

/* Creates the directory of path, and those above it, if need be. */
int control_file_prepare_directory(const char *path, bool shared, struct err *err);

int control_file_init(struct control_file *f, const char *path, bool shared, int lock,
		      struct err *err);
void control_file_fini(
	struct control_file *f); /* removes what was published, where it is still that */

/* A listening descriptor, which nobody can find yet; -1: ERR_ALREADY_RUNNING, somebody listens there. */
int control_file_bind(struct control_file *f, struct err *err);
int control_file_publish(struct control_file *f, struct err *err);

/* Somebody has removed the socket or the lock, or put something else in their place. */
bool control_file_is_lost(const struct control_file *f);
/* Makes what is missing. 0: *ret_fd is a new listening descriptor, published, or -1 when the socket was
 * not what was missing. -1: it cannot be done, or another daemon has taken the place. */
int control_file_restore(struct control_file *f, int *ret_fd, struct err *err);
