/* SPDX-License-Identifier: MIT */
/*
 * Proving who we are on a session whose server has proved who it is. First "none", which tells what
 * the server accepts (and lets it say which RSA signatures it knows), then method after method, in the
 * order of a table (RFC 4252). A server may accept one and want another as well.
 */
#pragma once

#include "daemon/worker/auth_agent.h"
#include "daemon/worker/auth_keys.h"
#include "daemon/worker/auth_question.h"
#include "daemon/worker/parts.h"
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
	struct secret passphrase; /* of the identities; the same */
	struct err passphrase_error;
};

struct auth_password {
	struct secret secret; /* that is being tried */
	unsigned tries, refusals;
	bool is_accepted; /* and the server wants something else as well */
	bool is_refused; /* by another method, so that it need not be tried by this one */
};

struct auth_kbdint {
	bool is_asking; /* a round waits for its answers */
	bool was_asked; /* anything, in this try */
	bool person_answered; /* something, in this try */
	bool again; /* the last try was refused, and may be because of what is asked now */
	bool password_sent; /* as such, in this try: what is remembered, or that of the file */
	bool went_on; /* and the server did not stop there */
	bool password_is_wrong; /* in the last try */
	unsigned
		doubts; /* tries in a row that were refused after the server had gone on; of the session
			  * before, too */
	bool asked_password; /* as such, so that it may be remembered */
	bool file_used, file_is_refused; /* the configured password */
	unsigned rounds; /* of this try */
	unsigned tries;
};

enum auth_publickey_stage {
	PUBLICKEY_BEGIN,
	PUBLICKEY_LIST, /* the agent is asked which keys it has */
	PUBLICKEY_TRY, /* candidate after candidate */
};

/* auth_publickey.c */
struct auth_publickey {
	enum auth_publickey_stage stage;
	struct agent *agent; /* NULL: nobody needs one, or it failed */
	struct agent_keys agent_keys;
	struct err agent_error; /* why it was of no use, or not of enough */
	struct auth_plan plan;
	size_t next; /* candidate that is or will be tried */
	unsigned refused; /* candidates the server does not take: it counts them too */
	struct err unusable; /* a candidate that cannot be offered to this server */

	/* of that candidate */
	bool is_welcome; /* the server takes its public half */
	struct auth_agent by_agent;
	ssh_key public_key; /* to ask the server about */
	ssh_key private_key; /* a copy, with its certificate, or unlocked */
	struct auth_unlock *unlock; /* on a thread */
	unsigned passphrases; /* that were wrong */

	char accepted[256]; /* for people */
};

struct auth {
	const struct worker_parts *parts;
	struct session *session;
	const struct connection_settings *settings;
	const struct identities *identities;
	const struct auth_secrets *secrets;
	struct auth_asker asker;
	char server[CONNECTION_NAME_MAX];
	bool asked_none;
	bool is_partial; /* something was accepted, and is not enough */
	unsigned exhausted; /* a bit for each row of the table */
	unsigned method; /* the row that is being tried, if one is */
	bool is_trying;
	const char *accepted; /* what was, for people; borrowed */
	struct err lacking; /* what might have helped, first of all */
	bool lacks_key; /* it has failed, and another key in the agent might be all that it takes */
	char said[256]; /* by the server, and by nobody asked for; safe to print */

	struct auth_question question; /* one at a time, of any method */
	struct auth_password password;
	struct auth_kbdint kbdint;
	struct auth_publickey publickey;
};

/* All but the asker, which is copied, is borrowed. */
void auth_init(struct auth *a, const struct worker_parts *parts, struct session *s,
	       const struct identities *identities, const struct auth_secrets *secrets,
	       const struct connection_settings *settings, const struct auth_asker *asker);
void auth_fini(struct auth *a); /* before the session is closed; {0} is fine */
enum step auth_step(struct auth *a, struct err *err);
/* What it waits for: "the agent at /run/agent", or "" for the server. */
void auth_describe(const struct auth *a, char *out, size_t size);

/* ---- for the methods ---- */

/* The session broke in the middle of it. */
enum auth_result auth_broken(struct auth *a, struct err *err);
/* The session has ended because of err: what that says about passwords is learnt, and what is known of
 * the reason is said. */
void auth_ended(struct auth *a, struct err *err);

/* The next session with this server should know of so many; 0: the password is right, or another. */
void auth_keep_doubts(struct auth *a, unsigned doubts);
/* What is remembered is wrong, and this session is not the one to ask for another. */
void auth_forget_password(struct auth *a);

/* A method could have gone on if it had known something. The first word counts. */
void auth_lacks(struct auth *a, enum err_code code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The server took it; what: a word that lives as long as a. */
void auth_accepted(struct auth *a, const char *what);

/* auth_kbdint.c */
enum auth_result auth_kbdint_step(struct auth *a, struct err *err);
/* True: err is about that. */
bool auth_kbdint_ended(struct auth *a, struct err *err);
/* auth_password.c */
enum auth_result auth_password_step(struct auth *a, struct err *err);
/* True: err is about that. */
bool auth_password_ended(struct auth *a, struct err *err);
/* auth_publickey.c */
enum auth_result auth_publickey_step(struct auth *a, struct err *err);
/* What the agent does not have yet might have helped. */
bool auth_publickey_could_go_on(const struct auth *a);
void auth_publickey_fini(struct auth *a);
/* auth_explain.c: why no key was of use */
void auth_explain_keys(const struct auth *a, struct err *err);
/* What the server has said may be the reason. */
void auth_explain_said(const struct auth *a, struct err *err);
/* The session has ended because of err: if the server had enough of our keys, say how many. */
void auth_explain_end(const struct auth *a, struct err *err);
/* "/home/me/.ssh/id_rsa", "agent: SHA256:... me@here", each "with CERTIFICATE". */
void auth_candidate_label(const struct auth_candidate *c, char *out, size_t size);
