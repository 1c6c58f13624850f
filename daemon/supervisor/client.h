/* SPDX-License-Identifier: MIT */
/*
 * One connection to the control socket. Its calls are served one after the other, so replies keep
 * the order of the calls; a call may be answered at once, later, or in many pieces as the client
 * reads them. Everything is bounded: the size of a call, how many are handled a turn, what may wait
 * to be read. Whoever reads nothing is dropped; nobody else waits for it. What a client has said before
 * it left is carried out, though nobody hears the answers.
 *
 * A call with `upgrade` asks for more than an answer: afterwards the connection is something else's.
 * From such a call on nothing is read here, so that what the client says next is found where it
 * belongs.
 */
#pragma once

#include <sys/types.h>

#include "daemon/common/loop.h"
#include "lib/varlink.h"

#define CLIENT_UNSENT_MAX (1024 * 1024) /* bytes of replies nobody reads: then it is dropped */
#define CLIENT_UNSENT_ENOUGH (128 * 1024) /* streams wait until there is less */

struct client;
struct call;

/* Answers the call, now or later. */
typedef void (*client_dispatch_fn)(void *data, struct call *call);

struct call {
	struct client *client;
	json_t *message;
	struct varlink_call request; /* borrowed from message */
	uid_t uid; /* of the caller */
	/* For calls that are answered in pieces: called while there is room, until it returns false
	 * (call_wake() begins again) or the call is answered. */
	bool (*step)(struct call *call, void *data);
	/* For calls that are not answered at once: the client has gone; forget the call. */
	void (*on_gone)(void *data);
	void *data;
	void (*take)(void *data, int fd); /* call_upgrade() */
};

struct client {
	struct list link; /* control.clients */
	struct loop *loop;
	int fd;
	uid_t uid;
	struct loop_io io;
	struct loop_defer work; /* the next call, the next piece */
	struct loop_timer watch; /* for the end of a client that is not read */
	struct varlink_reader reader;
	char *out; /* bytes [out_sent, out_size) wait to be read by the client */
	size_t out_size, out_sent, out_capacity;
	struct call *call; /* the one being served */
	uint64_t active_ms; /* when it last said something */
	bool eof; /* it sends nothing more, but may still read */
	bool left; /* it reads nothing more; what it has sent is carried out */
	bool is_ahead; /* it has said something, or has ended, before its upgrade was answered */
	bool closed;
	client_dispatch_fn dispatch;
	void *dispatch_data;
	void (*on_closed)(void *data, struct client *client);
	void *data;
	struct loop_grave grave;
};

/* Takes fd over on success. NULL: out of memory. */
struct client *client_new(struct loop *loop, int fd, uid_t uid, client_dispatch_fn dispatch,
			  void *dispatch_data, void (*on_closed)(void *data, struct client *client),
			  void *data);
void client_close(struct client *client); /* removes it from its list; freed after the turn */
bool client_is_busy(const struct client *client); /* a call is being served, or a reply read */
bool client_has_left(const struct client *client); /* it neither sends nor reads any more */

/* Each takes the reference to parameters (NULL: none). After reply and error the call is gone. */
void call_reply(struct call *call, json_t *parameters);
/* The whole message as JSON text, which is taken; NULL: it could not be made. */
void call_reply_text(struct call *call, char *text);
void call_error(struct call *call, const char *error, json_t *parameters);
void call_continue(struct call *call, json_t *parameters); /* one of several replies */

/* Only for a call with `upgrade`, which was deferred: answers it; when the client has the answer,
 * take is called with the connection, to be duplicated, and the client goes. If it goes earlier,
 * on_gone is called instead. */
void call_upgrade(struct call *call, json_t *parameters, void (*take)(void *data, int fd));

void call_defer(struct call *call, void (*on_gone)(void *data), void *data);
void call_stream(struct call *call, bool (*step)(struct call *call, void *data),
		 void (*on_gone)(void *data), void *data);
void call_wake(struct call *call);
bool call_has_room(const struct call *call);
bool call_is_last(const struct call *call); /* nothing that came after it was read */
