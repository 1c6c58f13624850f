/* SPDX-License-Identifier: MIT */
/*
 * Proving who we are on a session whose server has proved who it is. First "none", which tells what
 * the server accepts (and lets it say which RSA signatures it knows), then method after method, in the
 * order of a table (RFC 4252). A server may accept one and want another as well.
 */
#pragma once

#include "daemon/worker/auth_keys.h"
#include "daemon/worker/auth_question.h"
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

/* What the configuration has in files, read with the keys. */
struct auth_secrets {
	struct secret password; /* {0}: none is configured, or error */
	struct err error;
};

struct auth_password {
	struct secret secret; /* that is being tried */
	unsigned tries;
	bool is_refused; /* by another method, so that it need not be tried by this one */
};

struct auth_kbdint {
	bool is_asking; /* a round waits for its answers */
	bool was_asked; /* anything, in this try */
	bool again; /* the last try was refused */
	bool asked_password; /* as such, so that it may be remembered */
	bool file_used, file_is_refused; /* the configured password */
	unsigned rounds; /* of this try */
	unsigned tries;
};

struct auth {
	struct session *session;
	const struct connection_settings *settings;
	const struct identities *identities;
	const struct auth_secrets *secrets;
	struct auth_asker asker;
	char server[320]; /* "user@host:port", for messages */
	bool asked_none;
	bool is_partial; /* something was accepted, and is not enough */
	unsigned exhausted; /* a bit for each row of the table */
	unsigned method; /* the row that is being tried, if one is */
	bool is_trying;
	const char *accepted; /* what was, for people; borrowed */
	struct err lacking; /* what might have helped, first of all */

	size_t next_key; /* auth_publickey.c: the identity that is or will be tried */
	struct auth_question question; /* one at a time, of any method */
	struct auth_password password;
	struct auth_kbdint kbdint;
};

/* All but the asker, which is copied, is borrowed. */
void auth_init(struct auth *a, struct session *s, const struct identities *identities,
	       const struct auth_secrets *secrets, const struct connection_settings *settings,
	       const struct auth_asker *asker);
void auth_fini(struct auth *a); /* {0} is fine */
enum step auth_step(struct auth *a, struct err *err);

/* ---- for the methods ---- */

/* The session broke in the middle of it. */
enum auth_result auth_broken(struct auth *a, struct err *err);

/* A method could have gone on if it had known something. The first word counts. */
void auth_lacks(struct auth *a, enum err_code code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The server took it; what: a word that lives as long as a. */
void auth_accepted(struct auth *a, const char *what);

/* auth_kbdint.c */
enum auth_result auth_kbdint_step(struct auth *a, struct err *err);
/* auth_password.c */
enum auth_result auth_password_step(struct auth *a, struct err *err);
/* Whether that is why the session was lost. */
bool auth_password_has_expired(const struct auth *a, const struct err *lost, struct err *ret);
/* auth_publickey.c */
enum auth_result auth_publickey_step(struct auth *a, struct err *err);
