/* SPDX-License-Identifier: MIT */
/*
 * Private keys from files, with the checks OpenSSH makes (sshkey_perm_ok): a key of ours that
 * others can read is refused, not used. Blocks on disk and burns CPU on encrypted keys: for a
 * thread.
 */
#pragma once

#include <libssh/libssh.h>

#include "lib/err.h"
#include "lib/util.h"

struct identity {
	char *path;
	ssh_key key; /* NULL: could not be used, error says why */
	struct err error;
};

struct identities {
	struct identity *items;
	size_t count;
};

/* Reads every path; a file that cannot be used is an item with an error. implied: missing files are
 * no item at all. -1: out of memory. */
int identities_load(struct identities *ids, const struct strv *paths, bool implied,
		    struct err *err);
void identities_fini(struct identities *ids);

/* The number of usable keys. */
size_t identities_usable(const struct identities *ids);
/* The first item's error, or NULL when every file could be used. */
const struct err *identities_problem(const struct identities *ids);
