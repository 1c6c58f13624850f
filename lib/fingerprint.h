/* SPDX-License-Identifier: MIT */
/*
 * Fingerprints and hashes of host keys: all that is needed of libcrypto, so that only this file knows
 * it.
 */
#pragma once

#include <stddef.h>

#define FINGERPRINT_PREFIX "SHA256:"
#define FINGERPRINT_MAX 51 /* "SHA256:", 43 characters, NUL */

/* The SHA-256 of a public key blob as OpenSSH writes it. Returns out; "SHA256:?" when libcrypto
 * fails. */
char *fingerprint_of(char out[FINGERPRINT_MAX], const void *blob, size_t size);

/* "|1|salt|hash" of known_hosts: whether hash is the HMAC-SHA1 of name under salt. 1: yes, 0: no, -1: that
 * cannot be told, because libcrypto fails. */
int fingerprint_hashed_name_is(const char *hashed, const char *name);
