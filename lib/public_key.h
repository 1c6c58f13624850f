/* SPDX-License-Identifier: MIT */
/*
 * A public key as known_hosts has it: its type and its blob in base64 (RFC 4253, 6.6). Nothing here
 * knows what is in a key beyond that the blob begins with its type.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lib/err.h"
#include "lib/fingerprint.h"

enum {
	PUBLIC_KEY_BASE64_MAX = 4096, /* characters; RSA of 16384 bits has 2768 */
	PUBLIC_KEY_TYPE_MAX = 64,
};

struct public_key {
	char *type; /* "ssh-ed25519" */
	char *base64;
	unsigned char *blob;
	size_t size; /* of blob */
};

/* type NULL: the one in the blob. -1 with ERR_USAGE: it is not a well-formed key of this type. */
int public_key_set(struct public_key *ret, const char *type, const char *base64, struct err *err);
/* "ssh-ed25519 AAAA... [comment]" */
int public_key_parse(struct public_key *ret, const char *text, struct err *err);
void public_key_fini(struct public_key *key);

bool public_key_equal(const struct public_key *a, const struct public_key *b);

/* public_key_print.c */
char *public_key_fingerprint(char out[FINGERPRINT_MAX], const struct public_key *key);
/* "ssh-ed25519 SHA256:..." */
#define PUBLIC_KEY_TEXT_MAX (PUBLIC_KEY_TYPE_MAX + 1 + FINGERPRINT_MAX)
char *public_key_describe(char out[PUBLIC_KEY_TEXT_MAX], const struct public_key *key);
