/* SPDX-License-Identifier: MIT */
/*
 * What known_hosts files say about one server. Our own reader, because libssh 0.10 ignores @revoked
 * and negated patterns and gives a file up at its first strange line. Workers judge by it, and the
 * supervisor shows by it where a key stands.
 */
#pragma once

#include "lib/public_key.h"
#include "lib/util.h"

enum { KNOWN_HOSTS_FILE_MAX = 64 * 1024 * 1024 }; /* bytes */

struct known_hosts_entry {
	struct public_key key;
	bool revoked;
	bool portless; /* stands for the host on its default port: trusts, but accuses nobody */
	const char *file; /* borrowed from known_hosts.files */
	unsigned line;
};

struct known_hosts {
	char *host; /* the name looked up, in lower case */
	char *label; /* as it stands in the files: "host" or "[host]:2222" */
	struct strv files;
	struct known_hosts_entry *entries;
	size_t count;
	bool has_authority; /* a @cert-authority line matches; no libssh can use it */
	const char *authority_file; /* borrowed from files */
	unsigned authority_line;
};

/* alias (may be NULL) is looked up instead of host and port. Blocks on disk. Missing files count as
 * empty; strange lines are passed over, as OpenSSH does. */
int known_hosts_load(struct known_hosts *kh, const char *host, unsigned port, const char *alias,
		     const struct strv *files, struct err *err);
void known_hosts_fini(struct known_hosts *kh);

/* As it stands in the files; the caller frees. NULL: no memory. */
char *known_hosts_label(const char *host, unsigned port, const char *alias);

enum known_hosts_standing {
	HOST_KNOWN, /* this key is the server's */
	HOST_UNKNOWN, /* nothing is known of it */
	HOST_OTHER_TYPES, /* only keys of other types are known */
	HOST_CHANGED, /* another key of this type is known */
	HOST_REVOKED, /* this key is not to be trusted, whoever shows it */
	HOST_STANDING_COUNT
};

/* The entry it rests on in *ret_entry; NULL where there is none. */
enum known_hosts_standing known_hosts_judge(const struct known_hosts *kh,
					    const struct public_key *key,
					    const struct known_hosts_entry **ret_entry);
/* "known", "unknown", "other-types", "changed", "revoked" */
const char *known_hosts_standing_name(enum known_hosts_standing standing);
