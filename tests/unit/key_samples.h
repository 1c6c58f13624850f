/* SPDX-License-Identifier: MIT */
/*
 * Keys, certificates and what holds them, made of their parts, so that each test can get one part
 * wrong.
 */
#pragma once

#include "lib/ssh_bytes.h"

struct ssh_span sample_text(const char *text);
/* What was written so far; lives as long as the buffer. */
struct ssh_span sample_span(const struct strbuf *b);
/* "ssh-ed25519" and 32 bytes of fill; other types get as many strings as they have. */
void sample_key(struct strbuf *to, const char *type, char fill);

struct sample_certificate {
	const char *type; /* of the certificate; NULL: that of ed25519 */
	char fill; /* of the key it is for */
	uint32_t role; /* 1: user */
	const char *id;
	const char *principals[4]; /* up to the first NULL */
	uint64_t valid_after, valid_before;
};
void sample_certificate(struct strbuf *to, const struct sample_certificate *c);
/* An OpenSSH private key file whose public half is blob; what should be secret is not. */
void sample_container(struct strbuf *to, const char *cipher, struct ssh_span blob);
