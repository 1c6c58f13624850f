/* SPDX-License-Identifier: MIT */
/*
 * The first line is a rule, the second a destination. What is refused allows nothing, and what a rule
 * says about names does not depend on their case.
 */
#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/allow.h"
#include "lib/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(char *rule, char *host)
{
	const struct strv rules = { &rule, 1 };
	struct err err;
	bool good = allow_check(rule, &err) == 0, matches = allow_matches(&rules, host, 443);

	if (!good && (matches || !str_is_utf8(err.msg, strlen(err.msg))))
		abort();
	for (char *c = host; *c; c++)
		*c = (char)toupper((unsigned char)*c);
	if (allow_matches(&rules, host, 443) != matches)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = strndup((const char *)data, size), *host;

	if (!text)
		return 0;
	host = strchr(text, '\n');
	if (host)
		*host++ = '\0';
	check(text, host ? host : text + strlen(text));
	free(text);
	return 0;
}
