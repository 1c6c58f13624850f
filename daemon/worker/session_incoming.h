/* SPDX-License-Identifier: MIT */
/*
 * Channels that the server opens: connections to what it listens on for us (forwarded-tcpip, RFC
 * 4254 section 7.2). Whoever asked it to listen has a listener here; what belongs to none is
 * refused.
 */
#pragma once

#include <libssh/libssh.h>
#include <stdbool.h>

#include "lib/endpoint.h"
#include "lib/list.h"

struct session_listener;

/* A connection that may be had. */
struct session_incoming {
	struct session_listener *listener;
	unsigned port; /* the one it came to */
	char originator[ENDPOINT_TEXT_MAX]; /* "192.0.2.9:4711", escaped */
};

struct session_listener {
	struct list link; /* session_listeners */
	char address[ENDPOINT_HOST_MAX + 1]; /* as it was asked for */
	unsigned port; /* 0: not known yet; every port that is nobody else's */
	/* Runs inside libssh: nothing of the session may be called. False: refuse it. */
	bool (*may_accept)(void *data);
	/* Runs inside libssh as well. ssh is open, and the receiver's. */
	void (*on_channel)(void *data, const struct session_incoming *in, ssh_channel ssh);
	void *data;
};

/* Accepts or refuses what message asks for; as ssh_set_message_callback() wants it, 1 lets libssh
 * refuse. */
int session_incoming(struct list *listeners, ssh_message message);
