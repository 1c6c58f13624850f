/* SPDX-License-Identifier: MIT */
/*
 * The head of an HTTP/1 message (RFC 9112): where it ends, its lines, its fields, and what they say
 * about the body. Whoever reads a message differently from the next reader can be made to see a
 * request where the other sees a body, so what can be read in two ways is refused: a line folded
 * onto the next, blanks before a colon, several lengths, a length and a transfer coding.
 *
 * Texts point into the bytes that were parsed.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/str.h"

enum {
	HTTP_HEAD_MAX = 64 * 1024, /* bytes, with the empty line */
	HTTP_FIELDS_MAX = 256,
	HTTP_OPTIONS_MAX = 32, /* in Connection */
};

struct http_text {
	const char *at;
	size_t size;
};

struct http_field {
	struct http_text name, value;
};

struct http_head {
	struct http_field fields[HTTP_FIELDS_MAX];
	size_t field_count;
	struct http_text options[HTTP_OPTIONS_MAX]; /* what Connection names */
	size_t option_count;
};

/* What the fields say about the body; both false: nothing. */
struct http_framing {
	bool has_length, is_chunked;
	uint64_t length;
};

enum http_scan_result {
	HTTP_SCAN_MORE,
	HTTP_SCAN_LINE, /* the first line is complete; said once */
	HTTP_SCAN_END, /* the head is complete */
	HTTP_SCAN_BAD_LINE, /* a line ends without a CR; not with is_lenient */
	HTTP_SCAN_LONG, /* no end within HTTP_HEAD_MAX */
};

/* Looks for the end of a head that comes in pieces, at each byte once. Empty lines before the first
 * line belong to the head. {0} to begin with. */
struct http_scan {
	bool is_lenient; /* takes lines that end in a mere LF; for servers */
	bool has_line;
	size_t at, line_start; /* of the bytes */
	size_t first_start, first_size; /* the first line, without its end */
	size_t fields_start;
	size_t size; /* of the head, at HTTP_SCAN_END */
};

enum http_scan_result http_scan(struct http_scan *s, const char *bytes, size_t size);

/* The fields between the first line and the end; ERR_PROTOCOL. */
int http_head_parse(struct http_head *h, const char *bytes, const struct http_scan *s,
		    struct err *err);
int http_framing_read(struct http_framing *f, const struct http_head *h, struct err *err);

/* How many fields have this name, and the value of the first. */
size_t http_head_find(const struct http_head *h, const char *name, struct http_text *ret);
bool http_head_has_option(const struct http_head *h, const char *option);

/* Writes the fields that go on to the next hop: not those about this connection (RFC 9110, 7.6.1,
 * and what Connection names), nor those of the framing, nor skip (NULL: none). */
void http_head_write_fields(const struct http_head *h, const char *skip, struct strbuf *out);
void http_framing_write(const struct http_framing *f, struct strbuf *out);

bool http_text_is(struct http_text text, const char *word); /* without case */
/* Does a comma-separated list contain word, without case? */
bool http_list_has(struct http_text list, const char *word);
bool http_is_token(struct http_text text);
bool http_is_token_byte(char c);
/* Cuts what stands before the first c off; false: there is no c. */
bool http_text_cut(struct http_text *text, char c, struct http_text *ret);
