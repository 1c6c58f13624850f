/* SPDX-License-Identifier: MIT */
/*
 * The client's half of SOCKS 4, 4a, 5 (RFC 1928, 1929) and of HTTP's CONNECT (RFC 9110, 9.3.6), as
 * bytes in and bytes out. It takes nothing that comes after the proxy's consent: the server speaks
 * first in SSH, so its banner may stand in the same segment. What a proxy may say before it consents
 * is bounded; its text is escaped before it gets into a message, and passwords never do.
 */
#pragma once

#include "lib/buffer.h"
#include "lib/http_head.h"
#include "lib/proxy_url.h"
#include "lib/str.h"

enum proxy_client_result {
	PROXY_CLIENT_MORE, /* needs to hear more */
	PROXY_CLIENT_SEND, /* send what proxy_client.out holds, then go on */
	PROXY_CLIENT_DONE, /* what comes next is the server's */
	PROXY_CLIENT_FAILED, /* err says why */
};

enum proxy_client_stage {
	PROXY_CLIENT_4,
	PROXY_CLIENT_5_METHOD,
	PROXY_CLIENT_5_LOGIN,
	PROXY_CLIENT_5_REPLY,
	PROXY_CLIENT_HTTP,
	PROXY_CLIENT_STAGE_COUNT,
};

struct proxy_client {
	const struct proxy_url *url; /* borrowed */
	char host[ENDPOINT_HOST_MAX + 1]; /* where to */
	uint16_t port;
	enum proxy_client_stage stage;
	struct strbuf out; /* to be sent, all of it, and then emptied by proxy_client_sent() */
	struct buffer in; /* of an answer that is not complete */
	struct http_scan scan;
	unsigned interims; /* answers before the answer */
};

/* The greeting is in out. host is a name or an address, for PROXY_SOCKS4 of IPv4. -1: out of memory,
 * or the proxy cannot be asked for such a host. */
int proxy_client_init(struct proxy_client *c, const struct proxy_url *url, const char *host,
		      uint16_t port, struct err *err);
void proxy_client_fini(struct proxy_client *c);

/* *ret_used of the bytes belong to the proxy and are done with; what is not, is the server's. */
enum proxy_client_result proxy_client_step(struct proxy_client *c, const char *bytes, size_t size,
					   size_t *ret_used, struct err *err);
void proxy_client_sent(struct proxy_client *c);
/* The proxy has closed the connection. */
void proxy_client_ended(const struct proxy_client *c, struct err *err);
