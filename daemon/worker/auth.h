/* SPDX-License-Identifier: MIT */
/*
 * Proving who we are on a session whose server has proved who it is. First "none", which tells what
 * the server accepts (and lets it say which RSA signatures it knows), then method after method, in the
 * order of a table (RFC 4252). A server may accept one and want another as well.
 */
#pragma once

#include "daemon/worker/auth_keys.h"
#include "daemon/worker/session.h"
#include "lib/connection.h"

/* What a method's step answers. */
enum auth_result {
	AUTH_WAIT, /* call again when something happened */
	AUTH_SUCCESS,
	AUTH_PARTIAL, /* accepted, and the server wants another method as well */
	AUTH_EXHAUSTED, /* it has nothing more to offer */
	AUTH_FAILED, /* err says why; the attempt is over */
};

struct auth {
	struct session *session;
	const struct connection_settings *settings;
	const struct identities *identities;
	char server[320]; /* "user@host:port", for messages */
	bool asked_none;
	bool is_partial; /* something was accepted, and is not enough */
	unsigned exhausted; /* a bit for each row of the table */
	const char *accepted; /* what was, for people; borrowed */

	size_t next_key; /* auth_publickey.c: the identity that is or will be tried */
};

void auth_init(struct auth *a, struct session *s, const struct identities *identities,
	       const struct connection_settings *settings);
enum step auth_step(struct auth *a, struct err *err);

/* ---- for the methods ---- */

/* The session broke in the middle of it. */
enum auth_result auth_broken(struct auth *a, struct err *err);

/* auth_publickey.c */
enum auth_result auth_publickey_step(struct auth *a, struct err *err);
