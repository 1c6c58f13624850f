/* SPDX-License-Identifier: MIT */
#include "lib/fingerprint.h"

#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util.h"

#define BASE64 "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
#define DIGITS (FINGERPRINT_MAX - sizeof(FINGERPRINT_PREFIX))

char *fingerprint_of(char out[FINGERPRINT_MAX], const void *blob, size_t size)
{
	unsigned char digest[SHA256_DIGEST_LENGTH];
	unsigned char text[48]; /* 44 digits and a NUL */

	if (EVP_Digest(blob, size, digest, NULL, EVP_sha256(), NULL) != 1) {
		strcpy(out, FINGERPRINT_PREFIX "?");
		return out;
	}
	EVP_EncodeBlock(text, digest, sizeof(digest));
	memcpy(out, FINGERPRINT_PREFIX, strlen(FINGERPRINT_PREFIX));
	memcpy(out + strlen(FINGERPRINT_PREFIX), text, DIGITS); /* without the padding */
	out[FINGERPRINT_MAX - 1] = '\0';
	return out;
}

bool fingerprint_is_valid(const char *text)
{
	size_t prefix = strlen(FINGERPRINT_PREFIX);

	return strncmp(text, FINGERPRINT_PREFIX, prefix) == 0 &&
	       strspn(text + prefix, BASE64) == DIGITS && text[prefix + DIGITS] == '\0';
}

/* libcrypto's decoder passes over blanks and counts padding as bytes. */
unsigned char *fingerprint_base64_decode(const char *text, size_t length, size_t *ret_size)
{
	size_t digits = 0, padding;
	unsigned char *bytes;
	int size;

	while (digits < length && text[digits] && strchr(BASE64, text[digits]))
		digits++;
	padding = length - digits;
	if (length == 0 || length % 4 != 0 || length > INT_MAX || padding > 2 ||
	    strspn(text + digits, "=") < padding)
		return NULL;
	bytes = malloc(length / 4 * 3 + 1);
	if (!bytes)
		return NULL;
	size = EVP_DecodeBlock(bytes, (const unsigned char *)text, (int)length);
	if (size < (int)padding) {
		free(bytes);
		return NULL;
	}
	*ret_size = (size_t)size - padding;
	return bytes;
}

bool fingerprint_hashed_name_is(const char *hashed, const char *name)
{
	const char *salt_text = hashed + strlen("|1|"), *hash_text;
	CLEANUP(freep) unsigned char *salt = NULL, *hash = NULL;
	unsigned char digest[SHA_DIGEST_LENGTH];
	size_t salt_size, hash_size;
	unsigned size = sizeof(digest);

	if (strncmp(hashed, "|1|", 3) != 0)
		return false;
	hash_text = strchr(salt_text, '|');
	if (!hash_text)
		return false;
	salt = fingerprint_base64_decode(salt_text, (size_t)(hash_text - salt_text), &salt_size);
	hash_text++;
	hash = fingerprint_base64_decode(hash_text, strlen(hash_text), &hash_size);
	return salt && hash && hash_size == sizeof(digest) &&
	       HMAC(EVP_sha1(), salt, (int)salt_size, (const unsigned char *)name, strlen(name),
		    digest, &size) &&
	       CRYPTO_memcmp(digest, hash, sizeof(digest)) == 0;
}
