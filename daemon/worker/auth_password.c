/* SPDX-License-Identifier: MIT */
/*
 * The method "password" (RFC 4252 section 8). Which one: that of the file in the configuration, or what
 * the supervisor remembers or is told by a person.
 */
#include "daemon/worker/auth.h"

#include <string.h>

#define TRIES_MAX 4 /* what was remembered, and three of a person */

/* The file has one password, and a person is not asked for another: the file is what has to change. */
static enum auth_result read_configured(struct auth *a)
{
	struct auth_password *p = &a->password;

	if (p->tries > 0)
		auth_lacks(a, ERR_AUTH, "%s does not accept the password in %s", a->server,
			   a->settings->password);
	else if (a->secrets->error.code != ERR_NONE)
		auth_lacks(a, a->secrets->error.code, "%s", a->secrets->error.msg);
	else if (secret_set(&p->secret, a->secrets->password.text, a->secrets->password.length) ==
		 0)
		return AUTH_SUCCESS;
	return AUTH_EXHAUSTED;
}

static enum auth_result ask_for_it(struct auth *a)
{
	struct auth_password *p = &a->password;

	switch (auth_ask_secret(&a->question, &a->asker, QUESTION_PASSWORD, a->server,
				p->refusals > 0, &p->secret)) {
	case AUTH_REPLY_HERE:
		return AUTH_SUCCESS;
	case AUTH_REPLY_NOBODY:
		auth_lacks(a, ERR_PASSWORD,
			   p->refusals > 0 ? "%s did not accept the password"
					   : "%s wants a password",
			   a->server);
		return AUTH_EXHAUSTED;
	default:
		return AUTH_WAIT;
	}
}

/* AUTH_SUCCESS: there is one to try. */
static enum auth_result get_password(struct auth *a)
{
	if (a->password.is_refused || a->password.tries == TRIES_MAX)
		return AUTH_EXHAUSTED;
	return a->settings->password ? read_configured(a) : ask_for_it(a);
}

/* The same arguments until it is not AGAIN any more. */
static enum auth_result try_password(struct auth *a, struct err *err)
{
	struct auth_password *p = &a->password;
	int rc = ssh_userauth_password(session_libssh(a->session), NULL, p->secret.text);

	rc = session_verdict(a->session, rc);
	if (rc == SSH_AUTH_AGAIN)
		return AUTH_WAIT;
	if (rc == SSH_AUTH_ERROR)
		return auth_broken(a, err); /* is it because of the secret? */
	secret_fini(&p->secret);
	p->tries++;
	if (rc != SSH_AUTH_SUCCESS && rc != SSH_AUTH_PARTIAL) {
		p->refusals++;
		return AUTH_EXHAUSTED;
	}
	auth_accepted(a, "password");
	auth_keep_doubts(a, 0);
	a->kbdint.doubts = 0;
	p->is_accepted = true;
	return rc == SSH_AUTH_SUCCESS ? AUTH_SUCCESS : AUTH_PARTIAL;
}

/* libssh knows no request to change the password (RFC 4252 section 8, message 60) and gives the session
 * up. sshd says nothing but that it has had enough when a refusal is the last it allows (MaxAuthTries). */
bool auth_password_ended(struct auth *a, struct err *err)
{
	if (!a->password.secret.text)
		return false;
	if (strstr(err->msg, "rejected packet (type 60)")) {
		err_set(err, ERR_PASSWORD_EXPIRED,
			"%s wants the password to be changed; log in once with ssh and do it",
			a->server);
	} else if (err->code != ERR_AUTH) {
		return false;
	} else if (a->settings->password) {
		err_set(err, ERR_AUTH, "%s does not accept the password in %s", a->server,
			a->settings->password);
	} else {
		auth_forget_password(a);
		err_set(err, ERR_PASSWORD, "%s did not accept the password", a->server);
	}
	return true;
}

enum auth_result auth_password_step(struct auth *a, struct err *err)
{
	enum auth_result result = AUTH_EXHAUSTED;

	while (result == AUTH_EXHAUSTED) {
		if (!a->password.secret.text) {
			result = get_password(a);
			if (result != AUTH_SUCCESS)
				return result;
		}
		result = try_password(a, err);
	}
	return result;
}
