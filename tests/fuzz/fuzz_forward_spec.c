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

static void check(const struct forward_spec *f)
{
	char listen[ENDPOINT_TEXT_MAX], target[ENDPOINT_TEXT_MAX], text[2 * ENDPOINT_TEXT_MAX];
	struct forward_spec again;

	if (f->listen_port == 0 || f->target_port == 0)
		abort();
	snprintf(text, sizeof(text), "%s:%s",
		 endpoint_format(listen, f->listen_host, f->listen_port),
		 endpoint_format(target, f->target_host, f->target_port));
	if (forward_spec_parse(text, &again, NULL) < 0 || again.listen_port != f->listen_port ||
	    again.target_port != f->target_port || strcmp(again.listen_host, f->listen_host) != 0 ||
	    strcmp(again.target_host, f->target_host) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = strndup((const char *)data, size), host[ENDPOINT_HOST_MAX + 1];
	struct forward_spec spec;
	struct err err;
	uint16_t port;

	if (!text)
		return 0;
	if (forward_spec_parse(text, &spec, &err) == 0)
		check(&spec);
	forward_listen_parse(text, host, &port, &err);
	forward_target_parse(text, host, &port, &err);
	free(text);
	return 0;
}
