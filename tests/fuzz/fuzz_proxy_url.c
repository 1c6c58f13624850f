/* SPDX-License-Identifier: MIT */
/*
 * What is taken for a proxy can be asked for a connection, and shown without the password.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/proxy_url.h"
#include "lib/str.h"
#include "lib/util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(freep) char *text = malloc(size + 1);
	struct proxy_url url;
	char shown[512];
	struct err err;

	must(text != NULL);
	memcpy(text, data, size);
	text[size] = '\0';
	if (proxy_url_parse(text, &url, &err) < 0) {
		must(err.code == ERR_CONFIG || err.code == ERR_UNSUPPORTED);
		must(str_is_utf8(err.msg, strlen(err.msg)) && !strchr(err.msg, '\n'));
		return 0;
	}
	must(url.kind < PROXY_KIND_COUNT && url.port > 0);
	must(endpoint_check_host(url.host, NULL) == 0);
	must(strlen(url.user) <= PROXY_PART_MAX && strlen(url.password) <= PROXY_PART_MAX);
	must(url.user[0] || !url.password[0]);
	proxy_url_text(shown, sizeof(shown), &url);
	must(str_is_utf8(shown, strlen(shown)) && !strchr(shown, '\n'));
	return 0;
}
