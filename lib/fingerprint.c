/* SPDX-License-Identifier: MIT */
#include "lib/fingerprint.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <string.h>

#include "lib/base64.h"

#define DIGITS (FINGERPRINT_MAX - sizeof(FINGERPRINT_PREFIX))
#define SALT_MAX 64 /* bytes; OpenSSH's has 20 */

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

int fingerprint_hashed_name_is(const char *hashed, const char *name)
{
	unsigned char salt[SALT_MAX], hash[SHA_DIGEST_LENGTH], digest[SHA_DIGEST_LENGTH];
	const char *salt_text = hashed + strlen("|1|"), *hash_text;
	unsigned size = sizeof(digest);
	int salt_size;

	if (strncmp(hashed, "|1|", 3) != 0)
		return 0;
	hash_text = strchr(salt_text, '|');
	if (!hash_text)
		return 0;
	salt_size = base64_decode(salt_text, (size_t)(hash_text - salt_text), salt, sizeof(salt));
	hash_text++;
	if (salt_size < 0 ||
	    base64_decode(hash_text, strlen(hash_text), hash, sizeof(hash)) != sizeof(hash))
		return 0;
	if (!HMAC(EVP_sha1(), salt, salt_size, (const unsigned char *)name, strlen(name), digest,
		  &size))
		return -1;
	return CRYPTO_memcmp(digest, hash, sizeof(digest)) == 0;
}
