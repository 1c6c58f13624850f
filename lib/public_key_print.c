/* SPDX-License-Identifier: MIT */
/*
 * What is shown of a key. Apart from public_key.c, because it takes libcrypto, which whoever only reads
 * keys shall not need.
 */
#include <stdio.h>

#include "lib/public_key.h"

char *public_key_fingerprint(char out[FINGERPRINT_MAX], const struct public_key *key)
{
	return fingerprint_of(out, key->blob, key->size);
}

char *public_key_describe(char out[PUBLIC_KEY_TEXT_MAX], const struct public_key *key)
{
	char print[FINGERPRINT_MAX];

	snprintf(out, PUBLIC_KEY_TEXT_MAX, "%s %s", key->type, public_key_fingerprint(print, key));
	return out;
}
