/* SPDX-License-Identifier: MIT */
/*
 * One end of the line between supervisor and worker: JSON objects with descriptors attached, one
 * object a packet, over a SEQPACKET socketpair. Sending queues and never blocks, and never closes
 * the port under the sender: a broken line is reported by on_close from the loop. What arrives is
 * untrusted in both directions: bounded, and an object with a string "type" or it is an error.
 */
#pragma once

#include <jansson.h>

#include "daemon/common/loop.h"

#define PACKET_SIZE_MAX (128 * 1024)
#define PACKET_FDS_MAX 16
#define PACKET_QUEUE_MAX (64 * 1024 * 1024) /* bytes queued before the peer counts as hung */

struct packet_port;

struct packet_ops {
	/* message is borrowed. Descriptors are the receiver's: take one by setting it to -1;
	 * what is left is closed after the call. */
	void (*on_message)(void *data, const char *type, json_t *message, int *fds,
			   size_t fd_count);
	/* The peer is gone, or spoke nonsense (err says which). Called once; then only free. */
	void (*on_close)(void *data, const struct err *err);
};

/* Takes fd over on success. */
struct packet_port *packet_port_new(struct loop *loop, int fd, const struct packet_ops *ops,
				    void *data, struct err *err);
/* May be called from its own callbacks. */
void packet_port_free(struct packet_port *port);

/* Queues message (takes the reference, even on failure) with duplicates of fds (the caller keeps
 * its own). -1: out of memory, too large or the queue is full; nothing was queued. */
int packet_send(struct packet_port *port, json_t *message, const int *fds, size_t fd_count);
