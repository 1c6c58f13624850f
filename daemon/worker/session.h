/* SPDX-License-Identifier: MIT */
/*
 * One SSH session of libssh on the loop, never blocking. libssh is driven from outside: our loop
 * watches the socket, and when something can be read or written the session is pumped. Because
 * almost any libssh call may read from the socket and run callbacks of any channel, callbacks only
 * move bytes or set flags, and every contact is followed by a service pass at the end of the turn.
 *
 * Order of use: session_new, session_open (with a connected socket), session_step_banner,
 * session_step_kex, host key check, authentication, session_set_up, channels and requests,
 * session_close.
 */
#pragma once

#include <libssh/libssh.h>
#include <stdint.h>

#include "daemon/common/loop.h"
#include "daemon/worker/session_incoming.h"
#include "daemon/worker/session_members.h"
#include "daemon/worker/session_requests.h"
#include "daemon/worker/step.h"
#include "lib/connection.h"

struct session;

struct session_ops {
	/* Something arrived or became possible; called at the end of a turn, until the session is
	 * up. */
	void (*on_progress)(void *data);
	/* The connection is gone. Called once, from the loop; the session may be closed in it. */
	void (*on_lost)(void *data, const struct err *err);
};

struct session_settings {
	const struct connection_settings *connection;
	const char *host_key_algorithms; /* the list to offer, complete */
	bool is_older; /* the server had nothing of what is offered first */
};

struct session *session_new(struct loop *loop, const struct session_ops *ops, void *data,
			    struct err *err);
/* Takes fd (connected, non-blocking), also on failure. */
int session_open(struct session *s, int fd, const struct session_settings *settings,
		 struct err *err);
/* Hands it to another owner. */
void session_set_ops(struct session *s, const struct session_ops *ops, void *data);
/* Ends it without waiting, with a DISCONNECT when it got that far; members are told. NULL is fine.
 */
void session_close(struct session *s);

/* Waits for the server's banner; refuses what is not SSH before libssh sees it. */
enum step session_step_banner(struct session *s, struct err *err);
enum step session_step_kex(struct session *s, struct err *err);
/* From here on lost connections are watched for, channels and requests may be opened. */
void session_set_up(struct session *s);

ssh_session session_libssh(struct session *s);
struct loop *session_loop(struct session *s);
int session_fd(const struct session *s); /* for socket options */
/* The error libssh has for this session, in our words; what: "key exchange". */
int session_error(struct session *s, const char *what, struct err *err);
/* libssh has given it up; what it is asked next replaces the text that says why. */
bool session_has_failed(struct session *s);
/* What a call of ssh_userauth_…() really returned: a server's DISCONNECT reads as a refusal, and whoever
 * tries something else after it loses the text that says why. */
int session_verdict(struct session *s, int rc);
/* After a libssh call made outside this file. */
void session_touch(struct session *s);

/* The libssh this process runs with: "0.10.6/openssl/zlib". */
const char *session_libssh_version(void);
/* libssh writes to stderr by itself; the level is a thread's own. Call it where sessions live. */
void session_silence_libssh(void);

/* What the server said before its banner, or "" (for messages; escaped). */
const char *session_preamble(const struct session *s);

struct session_facts {
	char server_version[128];
	char cipher[64], kex[64];
};
void session_facts(struct session *s, struct session_facts *ret);

/* CLOCK_MONOTONIC of the last bytes from the server, and their number. */
uint64_t session_heard_ms(const struct session *s);
/* Packets received so far: a libssh call during which it grew may have answered somebody else. */
uint64_t session_packets(const struct session *s);
/* The round-trip time as last measured; 0: not yet. */
unsigned session_rtt_us(const struct session *s);
/* Ends it for what the server did, also from inside libssh: the owner hears of it at the end of the
 * turn. */
void session_condemn(struct session *s, const struct err *why);
/* Reads what is there now; for a last look before a session is called dead. */
void session_pump(struct session *s);

/* Global requests queue: their answers come one after the other, in the order they were asked in.
 * request is the caller's, and is to be forgotten before it goes. */

/* Asks for something every server must answer: whether it lives. */
void session_probe(struct session *s, struct session_request *request, session_answer_fn on_answer,
		   void *data);
/* Asks the server to listen on listener's address and port. The listener is in use at once; when
 * the server refuses it, its owner takes it out of its list. */
void session_listen(struct session *s, struct session_request *request,
		    struct session_listener *listener, session_answer_fn on_answer, void *data);
/* Takes it out, and asks the server to listen there no more; nobody is told. */
void session_cancel(struct session *s, struct session_listener *listener);
unsigned session_unanswered_ms(const struct session *s); /* of the one that was sent; 0: none is */
bool session_is_cancelling(const struct session *s); /* some of these are not answered */
void session_forget(struct session *s, struct session_request *request);

/* libssh numbers the channels of a session in the order they are opened or accepted in, and errors
 * name the number: to be called once for each, right before. */
unsigned session_number_channel(struct session *s);
unsigned session_member_count(const struct session *s); /* see session_members.h */
bool session_can_send(const struct session *s); /* TCP has taken everything so far */
