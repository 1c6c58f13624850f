/* SPDX-License-Identifier: MIT */
/*
 * Where to connect: `[user@]host[:port]`, with IPv6 addresses in brackets or, without a port, bare.
 * Values of fixed size, so that nobody has to free them and nobody can make them large.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

enum {
	ENDPOINT_HOST_MAX = 255, /* bytes; what a DNS name may have */
	ENDPOINT_USER_MAX = 255, /* bytes */
	ENDPOINT_TEXT_MAX = ENDPOINT_HOST_MAX + 10, /* "[host]:65535" and the NUL */
};

struct endpoint {
	char user[ENDPOINT_USER_MAX + 1]; /* "": not written */
	char host[ENDPOINT_HOST_MAX + 1]; /* without brackets */
	uint16_t port; /* 0: not written */
};

/* ERR_CONFIG when text is none. The user ends at the last '@', as in OpenSSH. */
int endpoint_parse(const char *text, struct endpoint *ret, struct err *err);

/* 1..65535, or one of the service names people forward ("http"). */
int port_parse(const char *text, uint16_t *ret, struct err *err);
/* One, or a range of them: "8000-8010". */
int port_range_parse(const char *text, uint16_t *ret_first, uint16_t *ret_last, struct err *err);

/* A host name (letters, digits, '.', '-', '_', UTF-8), IPv4 or IPv6 address with optional zone. */
int endpoint_check_host(const char *host, struct err *err);
int endpoint_check_user(const char *user, struct err *err);
bool endpoint_is_ipv6(const char *host); /* zone allowed */

/* "host:port", "[::1]:port". Returns out. */
char *endpoint_format(char out[ENDPOINT_TEXT_MAX], const char *host, uint16_t port);
