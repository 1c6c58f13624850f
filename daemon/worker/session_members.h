/* SPDX-License-Identifier: MIT */
/*
 * What lives on a session (channels), and whose turn it is. A member with news is served in the next pass,
 * in the order in which news came; one for whom TCP takes no more bytes is blocked, and asked again, once,
 * when something has happened on the session since and TCP has taken everything.
 */
#pragma once

#include <stdbool.h>

#include "lib/list.h"

#define SESSION_MEMBERS_MAX 8192 /* more have to wait */

struct session;

struct session_member {
	struct session *session; /* NULL: not a member (any more) */
	struct list link; /* session_members.all */
	struct list queue; /* session_members.attention or .blocked, while it is in one */
	bool attended; /* the first of these */
	void (*on_service)(struct session_member *m);
	void (*on_lost)(struct session_member *m); /* the session ends; it has left already */
};

void session_join(struct session *s, struct session_member *m);
void session_leave(struct session_member *m);
void session_attend(struct session_member *m); /* serve it in the next pass */
void session_block(struct session_member *m); /* ... once the server takes bytes again */

/* ---- for the session ---- */

struct session_members {
	struct list all; /* session_member.link */
	unsigned count;
	struct list attention, blocked; /* session_member.queue */
	bool touched; /* something has happened since blocked ones were last asked */
	bool stuffed; /* since then, somebody was blocked because TCP took no more */
};

struct session_members *session_members(struct session *s); /* its own */

void session_members_init(struct session_members *ms);
/* TCP has taken everything: whoever is blocked is asked, if anything has happened. */
void session_members_unblock(struct session_members *ms);
/* One pass, which may end the session, and ends with it. True: there may be more to serve, after others had
 * their turn. */
bool session_members_serve(struct session *s);
void session_members_end(struct session_members *ms); /* all leave, and are told that it is lost */
