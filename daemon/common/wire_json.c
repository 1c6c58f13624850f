/* SPDX-License-Identifier: MIT */
#include "daemon/common/wire_json.h"

#include <string.h>

#include "lib/str.h"

/* ---- writing ---- */

/* Adds a value that may be NULL for lack of memory; then the whole message is given up. */
json_t *wire_with(json_t *object, const char *key, json_t *value)
{
	if (!object || !value || json_object_set_new(object, key, value) < 0) {
		if (!object)
			json_decref(value);
		json_decref(object);
		return NULL;
	}
	return object;
}

json_t *wire_message(const char *type)
{
	return wire_with(json_object(), "type", json_string(type));
}

json_t *wire_integer(uint64_t value)
{
	return json_integer((json_int_t)value);
}

json_t *wire_text(const char *value)
{
	return value ? json_string(value) : json_null();
}

json_t *wire_shown(const char *value)
{
	char clean[sizeof(((struct err *)0)->msg)];

	return json_string(str_escape(clean, sizeof(clean), value, strlen(value)));
}

json_t *wire_texts(const struct strv *v)
{
	json_t *array = json_array();

	for (size_t i = 0; array && i < v->count; i++) {
		if (json_array_append_new(array, json_string(v->items[i])) < 0) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

json_t *wire_append(json_t *array, json_t *value)
{
	if (array && value && json_array_append_new(array, value) == 0)
		return array;
	if (!array)
		json_decref(value);
	json_decref(array);
	return NULL;
}

json_t *wire_error(const struct err *err)
{
	json_t *o;

	if (!err || err->code == ERR_NONE)
		return json_null();
	o = wire_with(json_object(), "code", json_string(err_slug(err->code)));
	return wire_with(o, "message", wire_shown(err->msg));
}

/* ---- reading ---- */

struct wire_reader wire_part(struct wire_reader *whole, json_t *object)
{
	return (struct wire_reader){ .object = object,
				     .whole = whole->whole ? whole->whole : whole,
				     .err = whole->err };
}

void wire_fail(struct wire_reader *r, const char *key)
{
	struct wire_reader *whole = r->whole ? r->whole : r;
	const char *type = json_string_value(json_object_get(whole->object, "type"));

	if (!whole->failed)
		err_set(r->err, ERR_PROTOCOL, "message '%s': bad or missing '%s'", type ? type : "",
			key);
	whole->failed = true;
}

uint64_t wire_get_integer(struct wire_reader *r, const char *key, uint64_t max)
{
	json_t *value = json_object_get(r->object, key);

	if (!json_is_integer(value) || json_integer_value(value) < 0 ||
	    (uint64_t)json_integer_value(value) > max) {
		wire_fail(r, key);
		return 0;
	}
	return (uint64_t)json_integer_value(value);
}

uint64_t wire_get_id(struct wire_reader *r, const char *key)
{
	return wire_get_integer(r, key, INT64_MAX);
}

unsigned wire_get_unsigned(struct wire_reader *r, const char *key)
{
	return (unsigned)wire_get_integer(r, key, UINT32_MAX);
}

bool wire_get_bool(struct wire_reader *r, const char *key)
{
	json_t *value = json_object_get(r->object, key);

	if (!json_is_boolean(value))
		wire_fail(r, key);
	return json_is_true(value);
}

char *wire_get_text(struct wire_reader *r, const char *key, bool nullable)
{
	json_t *value = json_object_get(r->object, key);
	char *copy;

	if (nullable && json_is_null(value))
		return NULL;
	copy = json_is_string(value) ? strdup(json_string_value(value)) : NULL;
	if (!copy)
		wire_fail(r, key);
	return copy;
}

void wire_get_texts(struct wire_reader *r, const char *key, struct strv *ret)
{
	json_t *array = json_object_get(r->object, key);
	json_t *item;
	size_t i;

	if (!json_is_array(array))
		wire_fail(r, key);
	json_array_foreach (array, i, item) {
		if (!json_is_string(item) || strv_add(ret, json_string_value(item)) < 0)
			wire_fail(r, key);
	}
}

void wire_get_fitting(struct wire_reader *r, const char *key, char *out, size_t size)
{
	const char *text = json_string_value(json_object_get(r->object, key));

	out[0] = '\0';
	if (text && strlen(text) < size)
		strcpy(out, text);
	else
		wire_fail(r, key);
}

void wire_get_shown(struct wire_reader *r, const char *key, char *out, size_t size)
{
	json_t *value = json_object_get(r->object, key);

	out[0] = '\0';
	if (!json_is_string(value))
		wire_fail(r, key);
	else
		str_escape(out, size, json_string_value(value), json_string_length(value));
}

int wire_get_word(struct wire_reader *r, const char *key, int (*from_name)(const char *name))
{
	const char *word = json_string_value(json_object_get(r->object, key));
	int value = word ? from_name(word) : -1;

	if (value < 0)
		wire_fail(r, key);
	return MAX(value, 0);
}

void wire_get_error(struct wire_reader *r, const char *key, struct err *ret)
{
	json_t *o = json_object_get(r->object, key);
	struct wire_reader part = wire_part(r, o);
	const char *slug = json_string_value(json_object_get(o, "code"));

	*ret = (struct err){ 0 };
	if (!o || json_is_null(o))
		return;
	if (!json_is_object(o)) {
		wire_fail(r, key);
		return;
	}
	if (!slug) {
		wire_fail(&part, "code");
		return;
	}
	ret->code = err_from_slug(slug);
	wire_get_shown(&part, "message", ret->msg, sizeof(ret->msg));
}

int wire_done(const struct wire_reader *r)
{
	return r->failed ? -1 : 0;
}
