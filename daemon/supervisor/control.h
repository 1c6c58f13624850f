/* SPDX-License-Identifier: MIT */
/*
 * The control socket: who may connect, how many, and for how long a deaf one is put up with. The
 * socket is bound under another name and renamed when the daemon can serve it, so that a client
 * that sees it can use it. What clients say is for client.c and commands.c.
 */
#pragma once

#include "daemon/common/loop.h"
#include "daemon/supervisor/client.h"

#define CONTROL_CLIENTS_MAX 64

struct control {
	struct loop *loop;
	char *path;
	char *hidden_path; /* NULL once published */
	int fd; /* -1: closed */
	struct loop_io io;
	struct loop_timer pause; /* of accepting */
	uint64_t complained_ms; /* when it last logged that it cannot accept; 0: never */
	struct list clients; /* struct client */
	unsigned client_count;
	client_dispatch_fn dispatch;
	void *data;
};

/* Creates the directory of path, and those above it, if need be. shared: other users of the group
 * may connect. */
int control_prepare_directory(const char *path, bool shared, struct err *err);

int control_open(struct control *c, struct loop *loop, const char *path, bool shared,
		 client_dispatch_fn dispatch, void *data, struct err *err);
int control_publish(struct control *c, struct err *err); /* from here on clients come */
void control_close(struct control *c); /* removes the socket, drops the clients */
