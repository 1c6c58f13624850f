/* SPDX-License-Identifier: MIT */
/*
 * Fingerprints and hashes of host keys, and base64: all that is needed of libcrypto, so that only
 * this file knows it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define FINGERPRINT_PREFIX "SHA256:"
#define FINGERPRINT_MAX 51 /* "SHA256:", 43 characters, NUL */

/* The SHA-256 of a public key blob as OpenSSH writes it. Returns out; "SHA256:?" when libcrypto
 * fails. */
char *fingerprint_of(char out[FINGERPRINT_MAX], const void *blob, size_t size);
/* "SHA256:" and 43 characters of base64. */
bool fingerprint_is_valid(const char *text);

/* "|1|salt|hash" of known_hosts: whether hash is the HMAC-SHA1 of name under salt. */
bool fingerprint_hashed_name_is(const char *hashed, const char *name);

/* The bytes of a well-formed base64 text with its padding, malloced; NULL: it is none, or memory is
 * out. */
unsigned char *fingerprint_base64_decode(const char *text, size_t length, size_t *ret_size);
