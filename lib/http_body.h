/* SPDX-License-Identifier: MIT */
/*
 * Where the body of an HTTP/1 message ends (RFC 9112, 6.3 and 7.1). The bytes themselves pass
 * unchanged, chunks and trailers included; what the next reader could take for something else is
 * refused.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/err.h"

enum {
	HTTP_CHUNK_LINE_MAX = 4096, /* a chunk's size and extensions */
	HTTP_TRAILERS_MAX = 64 * 1024,
};

enum http_body_kind {
	HTTP_BODY_NONE,
	HTTP_BODY_LENGTH,
	HTTP_BODY_CHUNKED,
	HTTP_BODY_UNTIL_END, /* of the connection */
};

enum http_chunk {
	HTTP_CHUNK_SIZE, /* hexadecimal digits */
	HTTP_CHUNK_EXTENSION, /* what may follow them on the line */
	HTTP_CHUNK_SIZE_LF,
	HTTP_CHUNK_DATA,
	HTTP_CHUNK_DATA_CR,
	HTTP_CHUNK_DATA_LF,
	HTTP_CHUNK_TRAILER, /* the begin of a trailer line, or of the empty line at the end */
	HTTP_CHUNK_TRAILER_REST,
	HTTP_CHUNK_TRAILER_LF,
	HTTP_CHUNK_LAST_LF,
};

struct http_body {
	enum http_body_kind kind;
	bool is_over;
	uint64_t left; /* of the length or of this chunk */
	enum http_chunk chunk;
	unsigned digits; /* of this chunk's size */
	unsigned line_size; /* of this chunk's line, or of all trailers */
};

void http_body_init(struct http_body *b, enum http_body_kind kind, uint64_t length);
/* How many of the bytes belong to the body: all, unless it is over. -1: ERR_PROTOCOL. */
ssize_t http_body_take(struct http_body *b, const char *bytes, size_t size, struct err *err);
/* The connection has ended; -1: in the middle of the body. */
int http_body_end(struct http_body *b);
