/* SPDX-License-Identifier: MIT */
/*
 * Where a proxy is and who to be there, as people write it for curl and in ALL_PROXY:
 * socks5://[user:password@]host[:port], socks4://[user@]host[:port], http://[user[:password]@]host:port.
 * What cannot stand in a URL is written %HH. A message never shows what stands before the '@'.
 */
#pragma once

#include "lib/endpoint.h"

enum proxy_kind {
	PROXY_SOCKS4, /* the server's name is resolved by us: it takes IPv4 addresses only */
	PROXY_SOCKS4A,
	PROXY_SOCKS5,
	PROXY_HTTP, /* CONNECT */
	PROXY_KIND_COUNT
};

enum { PROXY_PART_MAX = 255 }; /* bytes of a user or password (RFC 1929) */

struct proxy_url {
	enum proxy_kind kind;
	char host[ENDPOINT_HOST_MAX + 1];
	uint16_t port;
	char user[PROXY_PART_MAX + 1]; /* "": nobody is named */
	char password[PROXY_PART_MAX + 1];
};

/* ERR_CONFIG, ERR_UNSUPPORTED; the message has room to stand after the name of a key. */
int proxy_url_parse(const char *text, struct proxy_url *ret, struct err *err);
/* "socks5://me@10.0.0.1:1080": without the password. Returns out. */
char *proxy_url_text(char *out, size_t size, const struct proxy_url *url);
const char *proxy_kind_name(enum proxy_kind kind); /* "SOCKS5" */
