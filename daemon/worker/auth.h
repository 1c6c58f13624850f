/* SPDX-License-Identifier: MIT */
/*
 * Proving who we are on a session whose server has proved who it is. First "none", which tells what
 * the server accepts (and lets it say which RSA signatures it knows), then key after key.
 */
#pragma once

#include "daemon/worker/auth_keys.h"
#include "daemon/worker/session.h"

struct auth {
	struct session *session;
	const struct identities *identities;
	char server[320]; /* "user@host:port", for messages */
	bool asked_none;
	size_t next; /* identity that is or will be tried */
	const char *accepted; /* path of the identity that was; borrowed */
};

void auth_init(struct auth *a, struct session *s, const struct identities *identities,
	       const char *user, const char *host, unsigned port);
enum step auth_step(struct auth *a, struct err *err);
