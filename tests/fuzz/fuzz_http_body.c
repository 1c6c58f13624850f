/* SPDX-License-Identifier: MIT */
/*
 * Chunked bodies and such with a length: where one ends does not depend on the pieces in which it
 * came, and a decoder that knows nothing but the grammar agrees on the size of the data.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/http_body.h"
#include "lib/util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

/* How much of it is the body; -1: malformed. */
static ssize_t take(struct http_body *b, const char *bytes, size_t size, size_t step)
{
	size_t taken = 0;

	while (taken < size && !b->is_over) {
		size_t piece = MIN(step, size - taken);
		ssize_t n = http_body_take(b, bytes + taken, piece, NULL);

		if (n < 0)
			return -1;
		must((size_t)n <= piece && (b->is_over || (size_t)n == piece));
		taken += (size_t)n;
	}
	must(http_body_take(b, "", 0, NULL) == 0);
	return (ssize_t)taken;
}

static void try_kind(enum http_body_kind kind, uint64_t length, const char *bytes, size_t size)
{
	struct http_body whole, pieces;
	ssize_t taken;

	http_body_init(&whole, kind, length);
	http_body_init(&pieces, kind, length);
	taken = take(&whole, bytes, size, size);
	must(taken == take(&pieces, bytes, size, 1));
	must(taken < 0 || whole.is_over == pieces.is_over);
	if (kind == HTTP_BODY_LENGTH)
		must(taken == (ssize_t)MIN(length, size) && whole.is_over == (length <= size));
}

/* Walks over a body that was found complete, chunk by chunk. */
static void walk(const char *bytes, size_t size)
{
	size_t at = 0;

	for (;;) {
		const char *end = memchr(bytes + at, '\n', size - at);
		size_t chunk = strtoull(bytes + at, NULL, 16);

		must(end != NULL);
		at = (size_t)(end + 1 - bytes);
		if (chunk == 0)
			break;
		must(chunk + 2 < size - at);
		at += chunk;
		must(bytes[at] == '\r' && bytes[at + 1] == '\n');
		at += 2;
	}
	while (bytes[at] != '\r') {
		const char *end = memchr(bytes + at, '\n', size - at);

		must(end != NULL);
		at = (size_t)(end + 1 - bytes);
	}
	must(at + 2 == size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *bytes = (const char *)data;
	struct http_body b;
	ssize_t taken;

	if (size == 0)
		return 0;
	try_kind(HTTP_BODY_CHUNKED, 0, bytes, size);
	try_kind(HTTP_BODY_LENGTH, data[0], bytes + 1, size - 1);
	try_kind(HTTP_BODY_UNTIL_END, 0, bytes, size);
	http_body_init(&b, HTTP_BODY_CHUNKED, 0);
	taken = take(&b, bytes, size, size);
	if (taken > 0 && b.is_over)
		walk(bytes, (size_t)taken);
	return 0;
}
