/* SPDX-License-Identifier: MIT */
#include "lib/http_body.h"

#include "lib/util.h"

#define SIZE_DIGITS_MAX 15 /* of a chunk; stays below 2^60 */

void http_body_init(struct http_body *b, enum http_body_kind kind, uint64_t length)
{
	*b = (struct http_body){ .kind = kind, .left = kind == HTTP_BODY_LENGTH ? length : 0 };
	b->is_over = kind == HTTP_BODY_NONE || (kind == HTTP_BODY_LENGTH && length == 0);
}

static size_t take_left(struct http_body *b, size_t size)
{
	size_t taken = b->left < size ? (size_t)b->left : size;

	b->left -= taken;
	return taken;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static int malformed(struct err *err)
{
	return err_set(err, ERR_PROTOCOL, "a chunked HTTP body is malformed");
}

static int count_line(struct http_body *b, unsigned limit, struct err *err)
{
	if (++b->line_size > limit)
		return err_set(err, ERR_PROTOCOL,
			       "a chunked HTTP body has more than %u bytes between its data",
			       limit);
	return 0;
}

static bool is_text(char c)
{
	return ((unsigned char)c >= 0x20 && c != 0x7f) || c == '\t';
}

static int step_size(struct http_body *b, char c, struct err *err)
{
	int value = hex_value(c);

	if (value >= 0) {
		if (++b->digits > SIZE_DIGITS_MAX)
			return err_set(err, ERR_PROTOCOL,
				       "a chunk of an HTTP body has too many digits");
		b->left = b->left << 4 | (unsigned)value;
		return 0;
	}
	if (b->digits == 0 || (c != '\r' && c != ';' && c != ' ' && c != '\t'))
		return malformed(err);
	b->chunk = c == '\r' ? HTTP_CHUNK_SIZE_LF : HTTP_CHUNK_EXTENSION;
	return 0;
}

static int expect(struct http_body *b, char c, char wanted, enum http_chunk then, struct err *err)
{
	b->chunk = then;
	return c == wanted ? 0 : malformed(err);
}

/* Text up to a CR. */
static int step_text(struct http_body *b, char c, enum http_chunk then, struct err *err)
{
	if (c == '\r')
		b->chunk = then;
	else if (!is_text(c))
		return malformed(err);
	return 0;
}

/* A chunk's line has ended, or its data. */
static void enter_chunk(struct http_body *b, enum http_chunk chunk)
{
	b->chunk = chunk;
	b->digits = 0;
	b->line_size = 0;
}

/* One byte that is not data. */
static int step(struct http_body *b, char c, struct err *err)
{
	if (count_line(b, b->chunk >= HTTP_CHUNK_TRAILER ? HTTP_TRAILERS_MAX : HTTP_CHUNK_LINE_MAX,
		       err) < 0)
		return -1;
	switch (b->chunk) {
	case HTTP_CHUNK_SIZE:
		return step_size(b, c, err);
	case HTTP_CHUNK_EXTENSION:
		return step_text(b, c, HTTP_CHUNK_SIZE_LF, err);
	case HTTP_CHUNK_SIZE_LF:
		enter_chunk(b, b->left > 0 ? HTTP_CHUNK_DATA : HTTP_CHUNK_TRAILER);
		return c == '\n' ? 0 : malformed(err);
	case HTTP_CHUNK_DATA_CR:
		return expect(b, c, '\r', HTTP_CHUNK_DATA_LF, err);
	case HTTP_CHUNK_DATA_LF:
		enter_chunk(b, HTTP_CHUNK_SIZE);
		return c == '\n' ? 0 : malformed(err);
	case HTTP_CHUNK_TRAILER:
		if (c == '\r') {
			b->chunk = HTTP_CHUNK_LAST_LF;
			return 0;
		}
		b->chunk = HTTP_CHUNK_TRAILER_REST;
		return c != ' ' && c != '\t' && is_text(c) ? 0 : malformed(err);
	case HTTP_CHUNK_TRAILER_REST:
		return step_text(b, c, HTTP_CHUNK_TRAILER_LF, err);
	case HTTP_CHUNK_TRAILER_LF:
		return expect(b, c, '\n', HTTP_CHUNK_TRAILER, err);
	default:
		b->is_over = true;
		return c == '\n' ? 0 : malformed(err);
	}
}

static ssize_t take_chunks(struct http_body *b, const char *bytes, size_t size, struct err *err)
{
	size_t at = 0;

	while (at < size && !b->is_over) {
		if (b->chunk != HTTP_CHUNK_DATA) {
			if (step(b, bytes[at++], err) < 0)
				return -1;
			continue;
		}
		at += take_left(b, size - at);
		if (b->left == 0)
			enter_chunk(b, HTTP_CHUNK_DATA_CR);
	}
	return (ssize_t)at;
}

ssize_t http_body_take(struct http_body *b, const char *bytes, size_t size, struct err *err)
{
	size_t taken = size;

	if (b->is_over)
		return 0;
	if (b->kind == HTTP_BODY_CHUNKED)
		return take_chunks(b, bytes, size, err);
	if (b->kind == HTTP_BODY_LENGTH) {
		taken = take_left(b, size);
		b->is_over = b->left == 0;
	}
	return (ssize_t)taken;
}

int http_body_end(struct http_body *b)
{
	if (b->kind == HTTP_BODY_UNTIL_END)
		b->is_over = true;
	return b->is_over ? 0 : -1;
}
