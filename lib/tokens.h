/* SPDX-License-Identifier: MIT */
/*
 * What stands for something else in a command, as in ssh_config(5): "%h" for a host, "%%" for a
 * percent sign. Which letters there are is the caller's to say.
 */
#pragma once

#include <stddef.h>

#include "lib/err.h"

struct token {
	char letter;
	const char *value;
};

/* ERR_CONFIG when text has a '%' before anything but '%' and one of letters. */
int tokens_check(const char *text, const char *letters, struct err *err);
/* text with the values in place; the caller frees, NULL: out of memory. A letter nobody has stays as
 * it is. */
char *tokens_expand(const char *text, const struct token *tokens, size_t count);
