/* SPDX-License-Identifier: MIT */
/*
 * Is this the user and password that were agreed on? The time an answer takes depends on the length
 * of what was offered, never on how much of it is right.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct login {
	const char *user, *password; /* borrowed; user NULL: nobody is asked */
};

enum { LOGIN_PART_MAX = 255 }; /* bytes of a user or password that may be offered (RFC 1929) */

bool login_matches(const struct login *login, const char *user, size_t user_size,
		   const char *password, size_t password_size);
/* The value of an HTTP field: "Basic " and the base64 of "user:password" (RFC 7617). */
bool login_matches_basic(const struct login *login, const char *value, size_t size);
