/* SPDX-License-Identifier: MIT */
/*
 * OpenSSH certificates (PROTOCOL.certkeys) as far as their holder is concerned: which key one is for,
 * when, and for whom. Whether the authority is the right one is for the server to say; what anybody
 * can see (it has expired, it is for a host) is said here, because servers only say no.
 */
#pragma once

#include "lib/err.h"
#include "lib/ssh_bytes.h"

enum certificate_type { CERTIFICATE_USER = 1, CERTIFICATE_HOST = 2 };

struct certificate {
	unsigned char *key; /* the public key it is for, plain */
	size_t key_size;
	uint32_t type; /* enum certificate_type, or anything */
	uint64_t valid_after, valid_before; /* seconds since 1970; UINT64_MAX: for ever */
	/* Of the bytes that were parsed. */
	struct ssh_span id; /* anything: escape it */
	struct ssh_span principals; /* a row of strings; empty: any */
};

/* Whether these bytes are called a certificate, well-formed or not. */
bool certificate_is(struct ssh_span blob);
/* -1: not well-formed, of an unknown kind, or out of memory. blob is borrowed. */
int certificate_parse(struct certificate *ret, struct ssh_span blob, struct err *err);
void certificate_fini(struct certificate *c);

/* -1: no server will take it now, ERR_CERTIFICATE. now: seconds since 1970. */
int certificate_check(const struct certificate *c, uint64_t now, struct err *err);
/* "deploy, backup", or "anybody". Returns out. */
char *certificate_principals(char *out, size_t size, const struct certificate *c);
