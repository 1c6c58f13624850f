/* SPDX-License-Identifier: MIT */
/*
 * Which algorithms may be named in a configuration, in OpenSSH's spelling. What libssh knows and nobody
 * should use is left out on purpose: CBC, SHA-1, MD5, 1024-bit groups, DSA.
 */
#pragma once

#include <stddef.h>

#include "lib/err.h"

enum algorithm_kind {
	ALGORITHM_CIPHER,
	ALGORITHM_KEX,
	ALGORITHM_MAC,
	ALGORITHM_HOST_KEY,
	ALGORITHM_KIND_COUNT
};

/* ERR_CONFIG with the list of those there are, when text is no list of them. */
int algorithms_check(enum algorithm_kind kind, const char *text, struct err *err);
