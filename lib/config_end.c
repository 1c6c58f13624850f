/* SPDX-License-Identifier: MIT */
/*
 * Where a forward begins or leads, in words. The same text is part of a forward's name and stands in
 * lists, JSON and messages.
 */
#include <stdio.h>
#include <string.h>

#include "lib/config.h"

bool config_end_equal(const struct config_end *a, const struct config_end *b)
{
	return a->kind == b->kind && a->port == b->port && streq(a->host, b->host);
}

char *config_end_text(char *out, size_t size, const struct config_end *end, uint16_t port_count)
{
	size_t used;

	if (end->kind != END_TCP) {
		snprintf(out, size, "%s", end->kind == END_PROXY ? "any" : end->host);
		return out;
	}
	snprintf(out, size, strchr(end->host, ':') ? "[%s]:%u" : "%s:%u", end->host, end->port);
	used = strlen(out);
	if (port_count > 1)
		snprintf(out + used, size - used, "-%u", end->port + port_count - 1u);
	return out;
}
