/* SPDX-License-Identifier: MIT */
#include "lib/login.h"

#include <string.h>
#include <strings.h>

#include "lib/base64.h"
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

bool login_matches_basic(const struct login *login, const char *value, size_t size)
{
	char pair[PAIR_MAX];
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
