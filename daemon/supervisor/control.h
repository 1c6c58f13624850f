/* SPDX-License-Identifier: MIT */
/*
 * The control socket: who may connect, how many, and for how long a deaf one is put up with. Its file is
 * looked at every two seconds (control_file.c). What clients say is for client.c and commands.c.
 */
#pragma once

#include "daemon/common/loop.h"
#include "daemon/supervisor/client.h"
#include "daemon/supervisor/control_file.h"

#define CONTROL_CLIENTS_MAX 64

struct control {
	struct loop *loop;
	struct control_file file;
	int fd; /* -1: closed */
	struct loop_io io;
	struct loop_timer pause; /* of accepting */
	struct loop_timer look; /* at the file */
	struct err trouble; /* why it is not what it should be, as it was told; no message: it is */
	uint64_t complained_ms; /* when it last logged that it cannot accept; 0: never */
	struct list clients; /* struct client */
	unsigned client_count;
	client_dispatch_fn dispatch;
	void *data;
};

/* Where it is. */
struct control_place {
	const char *path;
	bool is_shared; /* other users of the group may connect */
	int lock; /* that is held; borrowed */
};

int control_open(struct control *c, struct loop *loop, const struct control_place *place,
		 client_dispatch_fn dispatch, void *data, struct err *err);
int control_publish(struct control *c, struct err *err); /* from here on clients come */
void control_close(struct control *c); /* removes the socket, drops the clients */
