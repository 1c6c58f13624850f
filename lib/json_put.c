/* SPDX-License-Identifier: MIT */
#include "lib/json_put.h"

#include <stdio.h>
#include <string.h>

enum { KEY_MAX = 64 };

/* The mapping a key with dots lives in, made when it is not there; *key becomes its last part. */
static json_t *descend(json_t *object, const char **key)
{
	const char *dot;

	while (object && (dot = strchr(*key, '.'))) {
		char name[KEY_MAX];
		json_t *inner;

		snprintf(name, sizeof(name), "%.*s", (int)(dot - *key), *key);
		inner = json_object_get(object, name);
		if (!inner && json_object_set_new(object, name, json_object()) == 0)
			inner = json_object_get(object, name);
		object = json_is_object(inner) ? inner : NULL;
		*key = dot + 1;
	}
	return object;
}

/* A key that is there already becomes a list. */
static int put(json_t *object, const char *key, json_t *value)
{
	json_t *there = json_object_get(object, key), *list;

	if (!there)
		return json_object_set_new(object, key, value);
	if (json_is_array(there))
		return json_array_append_new(there, value);
	list = json_pack("[O,o]", there, value);
	return list ? json_object_set_new(object, key, list) : -1;
}

int json_put(json_t *object, const char *key, json_t *value, struct err *err)
{
	const char *whole = key;

	if (!value)
		return err_nomem(err);
	object = descend(object, &key);
	if (!object) {
		json_decref(value);
		return err_set(err, ERR_USAGE, "%s: a key and keys below it exclude each other",
			       whole);
	}
	return put(object, key, value) < 0 ? err_nomem(err) : 0;
}
