/* SPDX-License-Identifier: MIT */
/*
 * The building blocks of messages. Writing: a value that could not be made gives the whole message
 * up, so that only the last result has to be looked at. Reading: the first thing that is missing or
 * of the wrong kind sets err, and wire_done() tells. Private to wire*.c.
 */
#pragma once

#include <jansson.h>

#include "lib/err.h"
#include "lib/util.h"

/* ---- writing: each takes references and returns a new one, NULL without memory ---- */

json_t *wire_message(const char *type);
json_t *wire_with(json_t *object, const char *key, json_t *value);
json_t *wire_append(json_t *array, json_t *value);
json_t *wire_integer(uint64_t value);
json_t *wire_text(const char *value); /* NULL: null */
/* Text that is only shown. It may hold anything, and may have been cut within a character, which
 * JSON does not take. */
json_t *wire_shown(const char *value);
json_t *wire_texts(const struct strv *v);
json_t *wire_error(const struct err *err); /* NULL, ERR_NONE: null */

/* ---- reading ---- */

struct wire_reader {
	json_t *object;
	struct wire_reader *whole; /* the message's; NULL: this is it */
	struct err *err;
	bool failed; /* of the whole */
};

/* The reader of an object inside a message. */
struct wire_reader wire_part(struct wire_reader *whole, json_t *object);
void wire_fail(struct wire_reader *r, const char *key);
int wire_done(const struct wire_reader *r);

uint64_t wire_get_integer(struct wire_reader *r, const char *key, uint64_t max);
uint64_t wire_get_id(struct wire_reader *r, const char *key);
unsigned wire_get_unsigned(struct wire_reader *r, const char *key);
bool wire_get_bool(struct wire_reader *r, const char *key);
/* A copy, or NULL for null. */
char *wire_get_text(struct wire_reader *r, const char *key, bool nullable);
void wire_get_texts(struct wire_reader *r, const char *key, struct strv *ret);
/* Text as it is, which has to fit. */
void wire_get_fitting(struct wire_reader *r, const char *key, char *out, size_t size);
/* Text that is only shown: escaped, and cut to the room there is. */
void wire_get_shown(struct wire_reader *r, const char *key, char *out, size_t size);
int wire_get_word(struct wire_reader *r, const char *key, int (*from_name)(const char *name));
void wire_get_error(struct wire_reader *r, const char *key, struct err *ret);
