/* SPDX-License-Identifier: MIT */
/*
 * Varlink framing and envelopes. What arrives is a stranger's, so the order of the checks matters:
 * length first, then the depth (a scan of the bytes; jansson would recurse 2048 deep), then JSON,
 * then that it is an object. Error texts never quote what was received.
 */
#include "lib/varlink.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util.h"

#define READER_CHUNK 4096
#define READER_KEEP_MAX (64 * 1024) /* a bigger buffer is given back once it is empty */

/* What was read may have been somebody's password: it is not left behind. */
static void reader_wipe(struct varlink_reader *r, size_t from)
{
	if (r->size > from)
		explicit_bzero(r->data + from, r->size - from);
}

/* Makes the message not yet returned the first one of the buffer. */
static void reader_compact(struct varlink_reader *r)
{
	size_t left = r->size - r->start;

	if (r->start == 0)
		return;
	memmove(r->data, r->data + r->start, left);
	reader_wipe(r, left);
	r->size = left;
	r->start = 0;
	if (r->size == 0 && r->capacity > READER_KEEP_MAX)
		varlink_reader_fini(r);
}

char *varlink_reader_room(struct varlink_reader *r, size_t min, size_t *ret_size, struct err *err)
{
	reader_compact(r);
	if (r->size >= VARLINK_MESSAGE_MAX) {
		err_set(err, ERR_LIMIT, "a message is longer than %d bytes", VARLINK_MESSAGE_MAX);
		return NULL;
	}
	min = MAX(min, 1);
	if (r->capacity - r->size < min) {
		size_t capacity = MAX(MAX(r->capacity * 2, r->size + min), READER_CHUNK);
		char *data;

		/* Never more than one message and one read. */
		capacity = MIN(capacity, VARLINK_MESSAGE_MAX + min);
		data = malloc(capacity);
		if (!data) {
			err_nomem(err);
			return NULL;
		}
		if (r->size > 0)
			memcpy(data, r->data, r->size);
		reader_wipe(r, 0);
		free(r->data);
		r->data = data;
		r->capacity = capacity;
	}
	*ret_size = r->capacity - r->size;
	return r->data + r->size;
}

void varlink_reader_commit(struct varlink_reader *r, size_t size)
{
	r->size += size;
}

/* Brackets outside of strings; wrong nesting is left to the parser. */
static bool is_too_deep(const char *text, size_t size)
{
	bool in_string = false;
	unsigned depth = 0;

	for (size_t i = 0; i < size; i++) {
		char c = text[i];

		if (in_string) {
			if (c == '\\')
				i++;
			else if (c == '"')
				in_string = false;
		} else if (c == '"') {
			in_string = true;
		} else if (c == '{' || c == '[') {
			if (++depth > VARLINK_DEPTH_MAX)
				return true;
		} else if ((c == '}' || c == ']') && depth > 0) {
			depth--;
		}
	}
	return false;
}

static json_t *message_decode(const char *text, size_t size, struct err *err)
{
	json_error_t why;
	json_t *message;

	if (size == 0) {
		err_set(err, ERR_PROTOCOL, "an empty message");
		return NULL;
	}
	if (is_too_deep(text, size)) {
		err_set(err, ERR_LIMIT, "a message is nested deeper than %d levels",
			VARLINK_DEPTH_MAX);
		return NULL;
	}
	message = json_loadb(text, size, JSON_REJECT_DUPLICATES, &why);
	if (!message && json_error_code(&why) == json_error_duplicate_key)
		err_set(err, ERR_PROTOCOL, "a message has the same key twice (byte %d)",
			why.position);
	else if (!message)
		err_set(err, ERR_PROTOCOL, "a message is not JSON (byte %d)", why.position);
	else if (!json_is_object(message)) {
		json_decref(TAKE(message));
		err_set(err, ERR_PROTOCOL, "a message is not a JSON object");
	}
	return message;
}

int varlink_reader_next(struct varlink_reader *r, json_t **ret, struct err *err)
{
	size_t available = r->size - r->start, length;
	const char *text, *end;

	if (available == r->scanned)
		return 0;
	text = r->data + r->start;
	end = memchr(text + r->scanned, '\0', available - r->scanned);
	length = end ? (size_t)(end - text) : available;
	if (length >= VARLINK_MESSAGE_MAX)
		return err_set(err, ERR_LIMIT, "a message is longer than %d bytes",
			       VARLINK_MESSAGE_MAX);
	if (!end) {
		r->scanned = available;
		return 0;
	}
	r->start += length + 1;
	r->scanned = 0;
	*ret = message_decode(text, length, err);
	if (r->start == r->size)
		reader_compact(r);
	return *ret ? 1 : -1;
}

const char *varlink_reader_rest(const struct varlink_reader *r, size_t *ret_size)
{
	*ret_size = r->size - r->start;
	return *ret_size > 0 ? r->data + r->start : "";
}

void varlink_reader_fini(struct varlink_reader *r)
{
	reader_wipe(r, 0);
	free(r->data);
	*r = (struct varlink_reader){ 0 };
}

static int get_flag(json_t *message, const char *key, bool *ret, struct err *err)
{
	json_t *value = json_object_get(message, key);

	*ret = json_is_true(value);
	if (value && !json_is_boolean(value) && !json_is_null(value))
		return err_set(err, ERR_PROTOCOL, "'%s' of a message is not true or false", key);
	return 0;
}

/* A string, or NULL when the key is missing or null. */
static int get_string(json_t *message, const char *key, const char **ret, struct err *err)
{
	json_t *value = json_object_get(message, key);

	*ret = json_string_value(value);
	if (value && !*ret && !json_is_null(value))
		return err_set(err, ERR_PROTOCOL, "'%s' of a message is not a string", key);
	return 0;
}

static int get_parameters(json_t *message, json_t **ret, struct err *err)
{
	json_t *value = json_object_get(message, "parameters");

	*ret = json_is_object(value) ? value : NULL;
	if (value && !*ret && !json_is_null(value))
		return err_set(err, ERR_PROTOCOL, "'parameters' of a message is not an object");
	return 0;
}

int varlink_call_parse(json_t *message, struct varlink_call *ret, struct err *err)
{
	*ret = (struct varlink_call){ 0 };
	if (get_string(message, "method", &ret->method, err) < 0 ||
	    get_parameters(message, &ret->parameters, err) < 0 ||
	    get_flag(message, "more", &ret->more, err) < 0 ||
	    get_flag(message, "oneway", &ret->oneway, err) < 0 ||
	    get_flag(message, "upgrade", &ret->upgrade, err) < 0)
		return -1;
	if (!ret->method || !*ret->method)
		return err_set(err, ERR_PROTOCOL, "a call names no method");
	return 0;
}

int varlink_reply_parse(json_t *message, struct varlink_reply *ret, struct err *err)
{
	*ret = (struct varlink_reply){ 0 };
	if (get_string(message, "error", &ret->error, err) < 0 ||
	    get_parameters(message, &ret->parameters, err) < 0 ||
	    get_flag(message, "continues", &ret->continues, err) < 0)
		return -1;
	if (ret->error && !*ret->error)
		return err_set(err, ERR_PROTOCOL, "a reply has an error without a name");
	return 0;
}

/* {key: text, "parameters": parameters, flag: true}, each only when it is given. */
static json_t *envelope(const char *key, const char *text, json_t *parameters, const char *flag)
{
	json_t *message = json_object();
	int failed = 0;

	if (key)
		failed |= json_object_set_new(message, key, json_string(text));
	if (parameters)
		failed |= json_object_set_new(message, "parameters", parameters);
	if (flag)
		failed |= json_object_set_new(message, flag, json_true());
	if (failed)
		json_decref(TAKE(message));
	return message;
}

json_t *varlink_call(const char *method, json_t *parameters, bool more)
{
	return envelope("method", method, parameters, more ? "more" : NULL);
}

json_t *varlink_reply(json_t *parameters, bool continues)
{
	return envelope(NULL, NULL, parameters, continues ? "continues" : NULL);
}

json_t *varlink_error(const char *error, json_t *parameters)
{
	return envelope("error", error, parameters, NULL);
}

char *varlink_encode(json_t *message, size_t *ret_size)
{
	/* Six digits: 12.3 is sent as 12.3, not as the 17 digits of its double. */
	char *text = message ? json_dumps(message, JSON_COMPACT | JSON_REAL_PRECISION(6)) : NULL;
	size_t size = text ? strlen(text) + 1 : 0;

	json_decref(message);
	if (size > VARLINK_MESSAGE_MAX)
		free(TAKE(text));
	*ret_size = text ? size : 0;
	return text;
}
