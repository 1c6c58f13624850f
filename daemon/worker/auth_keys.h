/* SPDX-License-Identifier: MIT */
/*
 * What there is to log in with, from files: private keys, public halves whose private ones an agent
 * has, and certificates. Files are checked as OpenSSH checks them (sshkey_perm_ok): a key of ours
 * that others can read is refused, not used; symbolic links are followed, as ssh does, because people
 * keep keys elsewhere, and it is the opened file that is checked. An encrypted key is not decrypted
 * here but with identity_unlock(), when somebody needs it. What was read is wiped.
 *
 * Blocks on disk and burns CPU: for a thread.
 */
#pragma once

#include <libssh/libssh.h>

#include "lib/connection.h"
#include "lib/err.h"
#include "lib/ssh_bytes.h"
#include "lib/util.h"

enum identity_kind {
	IDENTITY_FAILED, /* error says why */
	IDENTITY_KEY, /* key is there */
	IDENTITY_ENCRYPTED, /* identity_unlock() */
	IDENTITY_PUBLIC, /* only the public half; an agent may have the other */
	IDENTITY_OF_AGENT, /* whatever the agent has, here in the order */
};

struct identity {
	enum identity_kind kind;
	char *name; /* as configured */
	char *path; /* of its file; NULL: it has none */
	ssh_key key; /* IDENTITY_KEY */
	unsigned char *blob; /* the public half; NULL: cannot be seen, or IDENTITY_OF_AGENT */
	size_t blob_size;
	struct err error; /* IDENTITY_FAILED */
};

struct identity_certificate {
	char *path;
	unsigned char *blob;
	size_t blob_size;
	struct ssh_span key; /* the public key it is for; certificate_key */
	unsigned char *certificate_key;
	struct err error; /* why a server will not take it (it has expired), or none */
};

struct identities {
	struct identity *items;
	size_t count;
	struct identity_certificate *certificates; /* those that were named first */
	size_t certificate_count;
	struct err certificate_error; /* of the first that was named and cannot be used at all */
};

/* Of the default list the agent comes first, if there is one, and a missing file is no item at all;
 * otherwise a file that cannot be used is an item with an error. -1: out of memory. */
int identities_load(struct identities *ids, const struct connection_settings *from,
		    struct err *err);
void identities_fini(struct identities *ids);

/* Decrypts the key of an IDENTITY_ENCRYPTED, in its file. -1: ERR_PASSPHRASE, it is the wrong one, or
 * what happened to the file meanwhile. */
int identity_unlock(const char *path, const char *passphrase, ssh_key *ret_key, struct err *err);

/* The number of items that may be of use, agents included. */
size_t identities_usable(const struct identities *ids);
/* The first item's error, or NULL when every one may be of use. */
const struct err *identities_problem(const struct identities *ids);

static inline struct ssh_span identity_blob(const struct identity *id)
{
	return (struct ssh_span){ id->blob, id->blob_size };
}

/* The public half as libssh's; NULL: it does not know the kind, or there is no memory. */
ssh_key identity_public_key(struct ssh_span blob);
/* "SHA256:..." of a public key, not of a certificate. Returns out. */
char *identity_fingerprint(char *out, size_t size, struct ssh_span blob);
