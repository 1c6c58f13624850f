/* SPDX-License-Identifier: MIT */
#include "lib/login.h"

#include <string.h>
#include <strings.h>

#include "lib/util.h"

#define BASIC "basic"
#define BASIC_SIZE (sizeof(BASIC) - 1)
#define PAIR_MAX (LOGIN_PART_MAX + 1 + LOGIN_PART_MAX)

/* Zero when they are the same. */
static unsigned difference(const char *wanted, const char *offered, size_t size)
{
	size_t length = strlen(wanted);
	unsigned different = length != size;

	for (size_t i = 0; i < size; i++)
		different |= (unsigned char)offered[i] ^ (unsigned char)wanted[MIN(i, length)];
	return different;
}

bool login_matches(const struct login *login, const char *user, size_t user_size,
		   const char *password, size_t password_size)
{
	unsigned different = difference(login->user, user, user_size);

	different |= difference(login->password, password, password_size);
	return different == 0;
}

static int base64_value(char c)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *found = c ? strchr(digits, c) : NULL;

	return found ? (int)(found - digits) : -1;
}

/* Decodes RFC 4648 base64 with its padding; returns the size, -1: it is none, or does not fit. */
static int base64_decode(const char *text, size_t size, char *out, size_t out_size)
{
	size_t padding = 0, used = 0;
	unsigned bits = 0;

	while (padding < 2 && padding < size && text[size - 1 - padding] == '=')
		padding++;
	if (size % 4 != 0)
		return -1;
	for (size_t i = 0; i < size; i++) {
		int value = i < size - padding ? base64_value(text[i]) : 0;

		if (value < 0)
			return -1;
		bits = bits << 6 | (unsigned)value;
		for (int k = 2; i % 4 == 3 && k >= 0; k--) {
			if (used == out_size)
				return -1;
			out[used++] = (char)(bits >> (8 * k));
		}
	}
	return (int)(used - padding);
}

bool login_matches_basic(const struct login *login, const char *value, size_t size)
{
	char pair[PAIR_MAX + 2]; /* and what padding stands for */
	size_t skip = BASIC_SIZE;
	const char *colon;
	int length;

	if (size <= BASIC_SIZE || strncasecmp(value, BASIC, BASIC_SIZE) != 0 || value[skip] != ' ')
		return false;
	while (skip < size && value[skip] == ' ')
		skip++;
	length = base64_decode(value + skip, size - skip, pair, sizeof(pair));
	colon = length > 0 ? memchr(pair, ':', (size_t)length) : NULL;
	return colon && login_matches(login, pair, (size_t)(colon - pair), colon + 1,
				      (size_t)(pair + length - colon - 1));
}
