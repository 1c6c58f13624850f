/* SPDX-License-Identifier: MIT */
/*
 * What stands in a file that should be a key: which kind it is, whether it needs a passphrase, and
 * its public half where that can be read without one (OpenSSH's own format, public keys,
 * certificates). The private half is nobody's business here; libssh reads it.
 */
#pragma once

#include <stdbool.h>

#include "lib/ssh_bytes.h"

enum key_text_kind {
	KEY_TEXT_UNKNOWN,
	KEY_TEXT_PRIVATE,
	KEY_TEXT_PUBLIC, /* a line as in authorized_keys, without options */
	KEY_TEXT_CERTIFICATE, /* the same of a certificate */
	KEY_TEXT_PUTTY, /* .ppk */
	KEY_TEXT_SSHCOM, /* RFC 4716 and its private cousin */
};

struct key_text {
	enum key_text_kind kind;
	bool encrypted;
	unsigned char *blob; /* the public half; NULL: cannot be seen */
	size_t blob_size;
	char comment[128]; /* of a public line; escaped */
};

/* -1: out of memory. text is NUL-terminated. */
int key_text_parse(struct key_text *ret, const char *text);
void key_text_fini(struct key_text *k);

/* The name a key or certificate begins with: "ssh-ed25519"; empty when it is not well-formed. */
struct ssh_span key_blob_type(struct ssh_span blob);
/* Whether the private half is in a device (FIDO), so that only an agent can use it. */
bool key_blob_is_hardware(struct ssh_span blob);
