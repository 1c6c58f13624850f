/* SPDX-License-Identifier: MIT */
#include "lib/public_key.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base64.h"
#include "lib/util.h"

#define TYPE_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.@_-"

/* The string a blob begins with; more has to follow. */
static bool blob_type(const unsigned char *blob, size_t size, char ret[PUBLIC_KEY_TYPE_MAX])
{
	size_t length;

	if (size < 4)
		return false;
	length = (size_t)blob[0] << 24 | (size_t)blob[1] << 16 | (size_t)blob[2] << 8 | blob[3];
	if (length == 0 || length >= PUBLIC_KEY_TYPE_MAX || length + 4 >= size)
		return false;
	memcpy(ret, blob + 4, length);
	ret[length] = '\0';
	return strspn(ret, TYPE_CHARACTERS) == length;
}

int public_key_set(struct public_key *ret, const char *type, const char *base64, struct err *err)
{
	size_t length = strlen(base64);
	char found[PUBLIC_KEY_TYPE_MAX];
	struct public_key key = { 0 };
	int size;

	*ret = key;
	if (length > PUBLIC_KEY_BASE64_MAX)
		return err_set(err, ERR_USAGE, "a public key of more than %d characters",
			       PUBLIC_KEY_BASE64_MAX);
	key.blob = malloc(length + 1);
	if (!key.blob)
		return err_nomem(err);
	size = base64_decode(base64, length, key.blob, length);
	key.size = size > 0 ? (size_t)size : 0;
	if (!blob_type(key.blob, key.size, found)) {
		public_key_fini(&key);
		return err_set(err, ERR_USAGE, "not a public key in base64");
	}
	if (type && strcmp(type, found) != 0) {
		public_key_fini(&key);
		return err_set(err, ERR_USAGE,
			       "a public key of another type than the one before "
			       "it says");
	}
	key.type = strdup(found);
	key.base64 = strdup(base64);
	if (!key.type || !key.base64) {
		public_key_fini(&key);
		return err_nomem(err);
	}
	*ret = key;
	return 0;
}

int public_key_parse(struct public_key *ret, const char *text, struct err *err)
{
	CLEANUP(freep) char *copy = strdup(text);
	char *save = NULL, *type, *base64;

	*ret = (struct public_key){ 0 };
	if (!copy)
		return err_nomem(err);
	type = strtok_r(copy, " \t", &save);
	base64 = strtok_r(NULL, " \t", &save);
	if (!base64)
		return err_set(err, ERR_USAGE, "not a public key: a type and base64 are expected");
	return public_key_set(ret, type, base64, err);
}

void public_key_fini(struct public_key *key)
{
	free(key->type);
	free(key->base64);
	free(key->blob);
	*key = (struct public_key){ 0 };
}

bool public_key_equal(const struct public_key *a, const struct public_key *b)
{
	return a->size == b->size && memcmp(a->blob, b->blob, a->size) == 0;
}
