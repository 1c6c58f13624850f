/* SPDX-License-Identifier: MIT */
/*
 * Text: a growing buffer that remembers failure so that only the end has to be checked, escaping of
 * what strangers sent, and "did you mean".
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct strbuf {
	char *data; /* NUL-terminated once anything was added; NULL before */
	size_t length, capacity;
	bool failed; /* an allocation failed; what follows is ignored */
};

void strbuf_add(struct strbuf *b, const char *text);
void strbuf_add_bytes(struct strbuf *b, const char *bytes, size_t length);
void strbuf_addf(struct strbuf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
char *strbuf_take(struct strbuf *b); /* the text ("" when empty), the caller frees; NULL: failed */
void strbuf_fini(struct strbuf *b);

/* Writes a printable, one-line, valid UTF-8 form of bytes into out (always terminated, cut with
 * "..." when it does not fit): control characters, DEL, C1 and invalid UTF-8 become \n, \t, \xHH.
 * Returns out. */
char *str_escape(char *out, size_t size, const char *bytes, size_t length);

bool str_is_utf8(const char *bytes, size_t length); /* well-formed, no surrogates, no overlongs */

/* The candidate a person most likely meant by word (Damerau-Levenshtein), NULL when none is near.
 */
const char *str_suggest(const char *word, const char *const *candidates, size_t count);

/* Whether pattern, in which "*" and "?" stand for any text and any character, is the whole of text,
 * without regard to case. */
bool str_glob(const char *pattern, const char *text);
bool str_glob_bytes(const char *pattern, size_t length, const char *text);

/* asprintf() that returns the text or NULL. */
char *str_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* What stands behind the last '/': the whole path where there is none. Points into path. */
const char *str_base_name(const char *path);
