/* SPDX-License-Identifier: MIT */
/*
 * See str.h. UTF-8 is decoded in one place (utf8_decode) that both the check and the escaping use,
 * so that they can never disagree about what is well-formed.
 */
#include "lib/str.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util.h"

enum {
	STRBUF_FIRST = 64,
	SUGGEST_MAX = 64, /* bytes of a word worth comparing */
	SUGGEST_PART = 4, /* shortest word that is looked for inside a candidate */
};

/* Makes room for extra bytes and the NUL. */
static bool strbuf_reserve(struct strbuf *b, size_t extra)
{
	size_t capacity = b->capacity ? b->capacity : STRBUF_FIRST;
	char *data;

	if (b->failed)
		return false;
	if (extra >= SIZE_MAX / 4 - b->length) {
		b->failed = true;
		return false;
	}
	while (capacity <= b->length + extra)
		capacity *= 2;
	if (b->data && capacity == b->capacity)
		return true;
	data = realloc(b->data, capacity);
	if (!data) {
		b->failed = true;
		return false;
	}
	b->data = data;
	b->capacity = capacity;
	return true;
}

void strbuf_add_bytes(struct strbuf *b, const char *bytes, size_t length)
{
	if (!strbuf_reserve(b, length))
		return;
	if (length > 0)
		memcpy(b->data + b->length, bytes, length);
	b->length += length;
	b->data[b->length] = '\0';
}

void strbuf_add(struct strbuf *b, const char *text)
{
	strbuf_add_bytes(b, text, strlen(text));
}

void strbuf_addf(struct strbuf *b, const char *fmt, ...)
{
	va_list ap;
	int length;

	va_start(ap, fmt);
	length = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (length < 0) {
		b->failed = true;
		return;
	}
	if (!strbuf_reserve(b, (size_t)length))
		return;
	va_start(ap, fmt);
	vsnprintf(b->data + b->length, (size_t)length + 1, fmt, ap);
	va_end(ap);
	b->length += (size_t)length;
}

char *strbuf_take(struct strbuf *b)
{
	char *text;

	strbuf_add_bytes(b, "", 0);
	text = b->failed ? NULL : TAKE(b->data);
	strbuf_fini(b);
	return text;
}

void strbuf_fini(struct strbuf *b)
{
	free(b->data);
	*b = (struct strbuf){ 0 };
}

bool str_glob(const char *pattern, const char *text)
{
	return str_glob_bytes(pattern, strlen(pattern), text);
}

bool str_glob_bytes(const char *pattern, size_t length, const char *text)
{
	const char *end = pattern + length, *star = NULL, *retry = NULL;

	while (*text) {
		char next = pattern < end ? *pattern : '\0';

		if (next == '*') {
			star = ++pattern;
			retry = text;
		} else if (next == '?' ||
			   tolower((unsigned char)next) == tolower((unsigned char)*text)) {
			pattern++;
			text++;
		} else if (star) {
			pattern = star;
			text = ++retry;
		} else {
			return false;
		}
	}
	while (pattern < end && *pattern == '*')
		pattern++;
	return pattern == end;
}

char *str_printf(const char *fmt, ...)
{
	char *text;
	va_list ap;
	int length;

	va_start(ap, fmt);
	length = vasprintf(&text, fmt, ap);
	va_end(ap);
	return length < 0 ? NULL : text;
}

/* Lead bytes of UTF-8 (RFC 3629): what follows, and the smallest code point that needs so many. */
static const struct {
	unsigned char mask, lead;
	unsigned char length;
	uint32_t first;
} utf8_forms[] = {
	{ 0x80, 0x00, 1, 0x0 },
	{ 0xe0, 0xc0, 2, 0x80 },
	{ 0xf0, 0xe0, 3, 0x800 },
	{ 0xf8, 0xf0, 4, 0x10000 },
};

/* The length of the well-formed sequence at the start of bytes, 0 when there is none. */
static size_t utf8_decode(const char *bytes, size_t length, uint32_t *ret_point)
{
	const unsigned char *u = (const unsigned char *)bytes;
	uint32_t point;
	size_t form = 0;

	while (form < ARRAY_SIZE(utf8_forms) &&
	       (u[0] & utf8_forms[form].mask) != utf8_forms[form].lead)
		form++;
	if (form == ARRAY_SIZE(utf8_forms) || utf8_forms[form].length > length)
		return 0;
	point = u[0] & (unsigned char)~utf8_forms[form].mask;
	for (size_t i = 1; i < utf8_forms[form].length; i++) {
		if ((u[i] & 0xc0) != 0x80)
			return 0;
		point = point << 6 | (u[i] & 0x3f);
	}
	if (point < utf8_forms[form].first || point > 0x10ffff ||
	    (point >= 0xd800 && point <= 0xdfff))
		return 0;
	*ret_point = point;
	return utf8_forms[form].length;
}

bool str_is_utf8(const char *bytes, size_t length)
{
	uint32_t point;

	for (size_t i = 0, n; i < length; i += n) {
		n = utf8_decode(bytes + i, length - i, &point);
		if (n == 0)
			return false;
	}
	return true;
}

/* What moves the cursor, ends the line, turns the direction of writing or cannot be seen: the categories
 * Cc, Cf, Zl and Zp of Unicode 15. */
static const struct {
	uint32_t first, last;
} unprintable[] = {
	{ 0x0000, 0x001f },   { 0x007f, 0x009f },   { 0x00ad, 0x00ad },   { 0x0600, 0x0605 },
	{ 0x061c, 0x061c },   { 0x06dd, 0x06dd },   { 0x070f, 0x070f },   { 0x0890, 0x0891 },
	{ 0x08e2, 0x08e2 },   { 0x180e, 0x180e },   { 0x200b, 0x200f },   { 0x2028, 0x202e },
	{ 0x2060, 0x206f },   { 0xfeff, 0xfeff },   { 0xfff9, 0xfffb },   { 0x110bd, 0x110bd },
	{ 0x110cd, 0x110cd }, { 0x13430, 0x1343f }, { 0x1bca0, 0x1bca3 }, { 0x1d173, 0x1d17a },
	{ 0xe0000, 0xe007f },
};

static bool is_printable(uint32_t point)
{
	for (size_t i = 0; i < ARRAY_SIZE(unprintable); i++) {
		if (point <= unprintable[i].last)
			return point < unprintable[i].first;
	}
	return true;
}

/* One character of bytes as it shall appear; out holds at least 17 bytes. Returns the bytes eaten.
 */
static size_t escape_one(char *out, const char *bytes, size_t length)
{
	uint32_t point = 0;
	size_t n = utf8_decode(bytes, length, &point);

	if (n > 0 && is_printable(point)) {
		memcpy(out, bytes, n);
		out[n] = '\0';
		return n;
	}
	if (*bytes == '\n' || *bytes == '\t') {
		strcpy(out, *bytes == '\n' ? "\\n" : "\\t");
		return 1;
	}
	n = MAX(n, (size_t)1);
	for (size_t i = 0; i < n; i++)
		sprintf(out + i * 4, "\\x%02x", (unsigned char)bytes[i]);
	return n;
}

char *str_escape(char *out, size_t size, const char *bytes, size_t length)
{
	size_t used = 0, safe = 0; /* safe: the last end that leaves room for "..." */
	char piece[17];

	if (size == 0)
		return out;
	for (size_t i = 0; i < length;) {
		size_t n;

		i += escape_one(piece, bytes + i, length - i);
		n = strlen(piece);
		if (used + n >= size) {
			snprintf(out + safe, size - safe, "...");
			return out;
		}
		memcpy(out + used, piece, n);
		used += n;
		if (used + 3 < size)
			safe = used;
	}
	out[used] = '\0';
	return out;
}

/* How letters are compared: case does not matter, nor does the choice of separator. */
static int fold(char c)
{
	return c == '-' ? '_' : tolower((unsigned char)c);
}

/* Edits (insert, delete, replace, swap of neighbours) from a to b; both at most SUGGEST_MAX long.
 */
static size_t edit_distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
	size_t rows[3][SUGGEST_MAX + 1];
	size_t *before = rows[0], *above = rows[1], *row = rows[2];

	for (size_t j = 0; j <= b_length; j++)
		above[j] = before[j] = j;
	for (size_t i = 1; i <= a_length; i++) {
		size_t *reuse = before;

		row[0] = i;
		for (size_t j = 1; j <= b_length; j++) {
			bool same = fold(a[i - 1]) == fold(b[j - 1]);

			row[j] = MIN(MIN(above[j], row[j - 1]) + 1, above[j - 1] + !same);
			if (i > 1 && j > 1 && fold(a[i - 1]) == fold(b[j - 2]) &&
			    fold(a[i - 2]) == fold(b[j - 1]))
				row[j] = MIN(row[j], before[j - 2] + 1);
		}
		before = above;
		above = row;
		row = reuse;
	}
	return above[b_length];
}

const char *str_suggest(const char *word, const char *const *candidates, size_t count)
{
	size_t length = strlen(word), best = MAX(length / 3, (size_t)1) + 1;
	const char *found = NULL, *containing = NULL;

	if (length == 0 || length > SUGGEST_MAX)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		size_t n = strlen(candidates[i]), distance;

		if (n == 0 || n > SUGGEST_MAX)
			continue;
		distance = edit_distance(word, length, candidates[i], n);
		if (distance < best && distance < n) {
			best = distance;
			found = candidates[i];
		}
		if (!containing && length >= SUGGEST_PART && strcasestr(candidates[i], word))
			containing = candidates[i];
	}
	return found ? found : containing;
}

const char *str_base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}
