/* SPDX-License-Identifier: MIT */
/*
 * Is this the server we mean? Our own verdict over the known_hosts files (sshd(8), "SSH_KNOWN_HOSTS
 * FILE FORMAT"): libssh 0.10 ignores @revoked and negated patterns and gives a file up at its first
 * strange line. Reading the files happens before the key exchange, on a thread, and also tells
 * which key types to ask the server for; the verdict afterwards only compares.
 */
#pragma once

#include <libssh/libssh.h>

#include "lib/err.h"
#include "lib/util.h"

struct hostkey_entry {
	ssh_key key;
	bool revoked;
	bool portless; /* stands for the host on its default port: trusts, but accuses nobody */
	const char *file; /* borrowed from hostkey_set.files */
	unsigned line;
};

/* What the files say about one server. */
struct hostkey_set {
	char *host; /* the name looked up */
	unsigned port;
	char *label; /* as it stands in known_hosts: "host" or "[host]:2222" */
	struct strv files;
	struct hostkey_entry *entries;
	size_t count;
	bool has_authority; /* a @cert-authority line matches; this libssh cannot use it */
};

/* Blocks on disk. Missing files count as empty; strange lines are passed over, as OpenSSH does. */
int hostkey_set_load(struct hostkey_set *set, const char *host, unsigned port,
		     const struct strv *files, struct err *err);
void hostkey_set_fini(struct hostkey_set *set);

/* A list for SSH_OPTIONS_HOSTKEYS: the types the files know first. */
void hostkey_algorithms(const struct hostkey_set *set, char *out, size_t size);

/* 0: trusted. -1: ERR_HOST_KEY_*, with a message that says what to do. */
int hostkey_verify(const struct hostkey_set *set, ssh_key key, struct err *err);

/* "ssh-ed25519 SHA256:..." */
void hostkey_describe(ssh_key key, char *out, size_t size);
