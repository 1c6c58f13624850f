/* SPDX-License-Identifier: MIT */
/*
 * An accepted forward, written out in the plainest form, must be accepted again and mean the same.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/forward_spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Appends ":" (but not at the start) and end, where nothing can be taken for something else. */
static void write_end(char *out, const struct forward_end *end)
{
	if (end->kind == END_PROXY)
		return;
	if (*out)
		strcat(out, ":");
	out += strlen(out);
	if (end->kind == END_TCP && end->port_count > 1)
		sprintf(out, "[%s]:%u-%u", end->host, end->port, end->port + end->port_count - 1);
	else if (end->kind == END_TCP)
		sprintf(out, "[%s]:%u", end->host, end->port);
	for (const char *c = end->host; end->kind == END_UNIX && *c; c++)
		out += sprintf(out, strchr("\\:[/ -$", *c) ? "\\%c" : "%c", *c);
}

static bool is_same(const struct forward_end *a, const struct forward_end *b)
{
	return a->kind == b->kind && a->port == b->port && a->port_count == b->port_count &&
	       strcmp(a->host, b->host) == 0;
}

static void check(const struct forward_spec *f, enum forward_type type)
{
	char text[4 * CONFIG_END_TEXT_MAX] = "";
	struct forward_spec again;

	if (f->listen.kind == END_PROXY || f->listen.port_count == 0 ||
	    f->listen.port_count > CONFIG_PORTS_MAX ||
	    (f->listen.kind == END_TCP && f->listen.port == 0 && type != FORWARD_REMOTE) ||
	    (f->target.kind == END_TCP && f->target.port == 0) ||
	    (f->target.kind == END_PROXY && type == FORWARD_LOCAL))
		abort();
	write_end(text, &f->listen);
	write_end(text, &f->target);
	if (forward_spec_parse(text, type, &again, NULL) < 0 ||
	    !is_same(&again.listen, &f->listen) || !is_same(&again.target, &f->target)) {
		fprintf(stderr, "%s\n", text);
		abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = strndup((const char *)data, size);

	if (!text)
		return 0;
	for (int i = 0; i < FORWARD_TYPE_COUNT; i++) {
		enum forward_type type = (enum forward_type)i;
		struct forward_spec spec;
		struct forward_end end;
		struct err err;

		if (forward_spec_parse(text, type, &spec, &err) == 0)
			check(&spec, type);
		forward_listen_parse(text, type, &end, &err);
		forward_target_parse(text, type, &end, &err);
	}
	free(text);
	return 0;
}
