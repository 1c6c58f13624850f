/* SPDX-License-Identifier: MIT */
/*
 * Is this the server we mean? Our own verdict, from the known_hosts files (lib/known_hosts.h) or
 * from pins. What is needed for it is read before the key exchange, on a thread, and also tells
 * which key types to ask the server for; the verdict afterwards only compares.
 */
#pragma once

#include <libssh/libssh.h>

#include "lib/connection.h"
#include "lib/err.h"
#include "lib/known_hosts.h"

/* What is trusted about one server. */
struct hostkey_trust {
	struct known_hosts known;
	struct strv words; /* of `host_key` */
	char *algorithms; /* `host_key_algorithms`; NULL: nothing was said */
};

/* Blocks on disk. */
int hostkey_trust_load(struct hostkey_trust *trust, const struct connection_settings *settings,
		       struct err *err);
void hostkey_trust_fini(struct hostkey_trust *trust);

/* The list to offer: the types of keys that are known or pinned first. any_type: also those that are
 * else asked for only when they are known. The caller frees; NULL: no memory. */
char *hostkey_algorithms(const struct hostkey_trust *trust, bool any_type);

/* What the server has shown. */
int hostkey_shown(ssh_session ssh, struct public_key *ret, struct err *err);

enum hostkey_verdict {
	HOSTKEY_TRUSTED,
	HOSTKEY_REFUSED, /* with an ERR_HOST_KEY_* that says what to do */
	HOSTKEY_NEW /* nobody knows it, and it is to be accepted: the supervisor writes it down */
};

/* The message may hold a command about a tunnel, whose name is not known here. */
#define HOSTKEY_COMMAND "tunctl hostkey accept "
#define HOSTKEY_NAME "NAME"

enum hostkey_verdict hostkey_verify(const struct hostkey_trust *trust, const struct public_key *key,
				    struct err *err);
