/* SPDX-License-Identifier: MIT */
/*
 * The method "publickey" (RFC 4252 section 7): key after key, until the server takes one.
 */
#include "daemon/worker/auth.h"

/* The same arguments until it is not AGAIN any more. */
static enum auth_result try_key(struct auth *a, const struct identity *id, struct err *err)
{
	switch (ssh_userauth_publickey(session_libssh(a->session), NULL, id->key)) {
	case SSH_AUTH_AGAIN:
		return AUTH_WAIT;
	case SSH_AUTH_SUCCESS:
		a->accepted = id->path;
		return AUTH_SUCCESS;
	case SSH_AUTH_PARTIAL:
		a->accepted = id->path;
		a->next_key++;
		return AUTH_PARTIAL;
	case SSH_AUTH_DENIED:
		a->next_key++;
		return AUTH_EXHAUSTED;
	default:
		return auth_broken(a, err);
	}
}

enum auth_result auth_publickey_step(struct auth *a, struct err *err)
{
	enum auth_result result = AUTH_EXHAUSTED;

	while (result == AUTH_EXHAUSTED && a->next_key < a->identities->count) {
		const struct identity *id = &a->identities->items[a->next_key];

		if (id->key)
			result = try_key(a, id, err);
		else
			a->next_key++;
	}
	return result;
}
