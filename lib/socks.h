/* SPDX-License-Identifier: MIT */
/*
 * The server's half of SOCKS 4, 4a and 5, as bytes in and bytes out: RFC 1928, user and password of
 * RFC 1929, and the two notes for SOCKS 4 and 4a by Ying-Da Lee. Every message is judged byte by
 * byte in the order in which it came, so that it does not matter in which pieces it arrives.
 *
 * Only CONNECT is there: BIND and UDP ASSOCIATE have no place in an SSH connection.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "lib/endpoint.h"
#include "lib/err.h"
#include "lib/login.h"

enum {
	SOCKS_MESSAGE_MAX = 8 + 256 + 256, /* bytes of the longest (4a); RFC 1929 needs 513 */
	SOCKS_ANSWER_MAX = 10,
};

enum socks_result {
	SOCKS_MORE, /* this message is not complete */
	SOCKS_ANSWER, /* send the answer, then go on */
	SOCKS_REQUEST, /* host and port are known; socks_grant() or socks_refuse() */
	SOCKS_REFUSED, /* send the answer (it may be empty), then close; err says why */
};

enum socks_stage {
	SOCKS_VERSION, /* the first byte */
	SOCKS_4, /* the request, the only message there is */
	SOCKS_5_METHODS,
	SOCKS_5_LOGIN,
	SOCKS_5_REQUEST,
	SOCKS_STAGE_COUNT,
};

struct socks {
	struct login login;
	enum socks_stage stage;
	char host[ENDPOINT_HOST_MAX + 1]; /* a name or a numeric address */
	uint16_t port;
	unsigned char answer[SOCKS_ANSWER_MAX];
	size_t answer_size;
};

void socks_init(struct socks *s, const struct login *login);
/* Reads at most one message; *ret_used of the bytes are done with (none for SOCKS_MORE). */
enum socks_result socks_step(struct socks *s, const char *bytes, size_t size, size_t *ret_used,
			     struct err *err);
/* Fill the answer. Before a request, socks_refuse() says no in the terms of that stage. */
void socks_grant(struct socks *s);
void socks_refuse(struct socks *s, const struct err *why);
