/* SPDX-License-Identifier: MIT */
/*
 * What is accepted as host and port must mean the same after being written out, and hold nothing that
 * a known_hosts line or a terminal would understand as something else.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/endpoint.h"
#include "lib/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct endpoint *e)
{
	char text[ENDPOINT_TEXT_MAX];
	struct endpoint again;

	if (e->host[0] == '\0' || e->host[0] == '-' || strpbrk(e->host, " \t\n,*?!|#@/[]\"'") ||
	    !str_is_utf8(e->host, strlen(e->host)))
		abort();
	if (endpoint_parse(endpoint_format(text, e->host, e->port ? e->port : 22), &again, NULL) <
	    0)
		abort();
	if (strcmp(again.host, e->host) != 0 || again.port != (e->port ? e->port : 22))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = strndup((const char *)data, size);
	struct endpoint endpoint;
	struct err err;

	if (!text)
		return 0;
	if (endpoint_parse(text, &endpoint, &err) == 0)
		check(&endpoint);
	free(text);
	return 0;
}
