/* SPDX-License-Identifier: MIT */
/*
 * What stands after `ssh -L`: `[bind:]port:host:hostport`, with IPv6 addresses in brackets, a
 * backslash before a literal ':', and the older form with '/' between the parts, which needs no
 * brackets (`::1/5432/db/5432`). The source is OpenSSH's parse_forward() (readconf.c). An empty
 * bind or `*` is every address, a missing one is localhost. Unix sockets are recognised and
 * refused.
 */
#pragma once

#include <stdint.h>

#include "lib/endpoint.h"
#include "lib/err.h"

struct forward_spec {
	char listen_host[ENDPOINT_HOST_MAX +
			 1]; /* "*": every address; "localhost": both families */
	uint16_t listen_port;
	char target_host[ENDPOINT_HOST_MAX + 1];
	uint16_t target_port;
};

int forward_spec_parse(const char *text, struct forward_spec *ret, struct err *err);

/* The halves, as the mapping form has them: `[bind:]port` and `host:port`. */
int forward_listen_parse(const char *text, char ret_host[ENDPOINT_HOST_MAX + 1], uint16_t *ret_port,
			 struct err *err);
int forward_target_parse(const char *text, char ret_host[ENDPOINT_HOST_MAX + 1], uint16_t *ret_port,
			 struct err *err);
