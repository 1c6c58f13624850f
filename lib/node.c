/* SPDX-License-Identifier: MIT */
/*
 * See node.h. A mapping keeps its keys and values in turn in one array, so lists and mappings grow,
 * are copied and freed by the same code. Recursion is bounded by NODE_DEPTH_MAX in whoever builds.
 */
#include "lib/node.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util.h"

struct node *node_new(enum node_kind kind)
{
	struct node *node = calloc(1, sizeof(*node));

	if (node)
		node->kind = kind;
	return node;
}

struct node *node_new_scalar(const char *text, size_t length, bool quoted)
{
	struct node *node = node_new(NODE_SCALAR);

	if (!node)
		return NULL;
	node->quoted = quoted;
	node->text = malloc(length + 1);
	if (!node->text) {
		free(node);
		return NULL;
	}
	memcpy(node->text, text, length);
	node->text[length] = '\0';
	return node;
}

void node_free(struct node *node)
{
	if (!node)
		return;
	for (size_t i = 0; i < node->count; i++)
		node_free(node->items[i]);
	free(node->items);
	free(node->text);
	free(node);
}

int node_append(struct node *node, struct node *item)
{
	size_t count = node->count;

	/* The array is full exactly when its count is a power of two. */
	if ((count & (count - 1)) == 0) {
		size_t capacity = count ? count * 2 : 1;
		struct node **items = realloc(node->items, capacity * sizeof(struct node *));

		if (!items) {
			node_free(item);
			return -1;
		}
		node->items = items;
	}
	node->items[node->count++] = item;
	return 0;
}

/* A copy without its items. */
static struct node *copy_shallow(const struct node *node)
{
	struct node *copy = node->kind == NODE_SCALAR
				    ? node_new_scalar(node->text, strlen(node->text), node->quoted)
				    : node_new(node->kind);

	if (!copy)
		return NULL;
	copy->line = node->line;
	copy->column = node->column;
	copy->file = node->file;
	return copy;
}

struct node *node_copy(const struct node *node, size_t *budget)
{
	CLEANUP(node_freep) struct node *copy = NULL;
	size_t cost = sizeof(*node) + sizeof(node) + (node->text ? strlen(node->text) + 1 : 0);

	if (cost >= *budget) {
		*budget = 0;
		return NULL;
	}
	*budget -= cost;
	copy = copy_shallow(node);
	if (!copy)
		return NULL;
	for (size_t i = 0; i < node->count; i++) {
		struct node *item = node_copy(node->items[i], budget);

		if (!item || node_append(copy, item) < 0)
			return NULL;
	}
	return TAKE(copy);
}

const struct node *node_find(const struct node *map, const char *key)
{
	for (size_t i = 0; map->kind == NODE_MAP && i < node_map_count(map); i++) {
		if (strcmp(node_map_key(map, i)->text, key) == 0)
			return node_map_value(map, i);
	}
	return NULL;
}

bool node_is_null(const struct node *node)
{
	static const char *const words[] = { "", "~", "null", "Null", "NULL" };

	if (node->kind != NODE_SCALAR || node->quoted)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (strcmp(node->text, words[i]) == 0)
			return true;
	}
	return false;
}

const char *node_kind_name(enum node_kind kind)
{
	static const char *const names[] = {
		[NODE_SCALAR] = "a single value",
		[NODE_LIST] = "a list",
		[NODE_MAP] = "a mapping",
	};

	return names[kind];
}

struct json_reader {
	size_t count; /* nodes so far */
	struct err *err;
};

static struct node *read_json(struct json_reader *r, const json_t *json, unsigned depth);

/* A node that is there, or the error that it is not. */
static struct node *checked(struct json_reader *r, struct node *node)
{
	if (!node)
		err_nomem(r->err);
	return node;
}

static struct node *read_json_string(struct json_reader *r, const char *text, size_t length)
{
	if (memchr(text, '\0', length)) {
		err_set(r->err, ERR_CONFIG, "a text cannot contain a NUL character");
		return NULL;
	}
	return checked(r, node_new_scalar(text, length, true));
}

static struct node *read_json_scalar(struct json_reader *r, const json_t *json)
{
	char text[64];

	switch (json_typeof(json)) {
	case JSON_STRING:
		return read_json_string(r, json_string_value(json), json_string_length(json));
	case JSON_INTEGER:
		snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT, json_integer_value(json));
		break;
	case JSON_REAL:
		snprintf(text, sizeof(text), "%.17g", json_real_value(json));
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		strcpy(text, json_is_true(json) ? "true" : "false");
		break;
	default:
		strcpy(text, "null");
	}
	return checked(r, node_new_scalar(text, strlen(text), false));
}

static int append_json(struct json_reader *r, struct node *to, const json_t *json, unsigned depth)
{
	struct node *item = read_json(r, json, depth);

	if (!item)
		return -1;
	return node_append(to, item) < 0 ? err_nomem(r->err) : 0;
}

static int append_json_key(struct json_reader *r, struct node *to, const char *key)
{
	struct node *item = checked(r, node_new_scalar(key, strlen(key), true));

	if (!item)
		return -1;
	return node_append(to, item) < 0 ? err_nomem(r->err) : 0;
}

static struct node *read_json_collection(struct json_reader *r, json_t *json, unsigned depth)
{
	CLEANUP(node_freep) struct node *node = NULL;
	const char *key;
	json_t *value;
	size_t index;

	node = checked(r, node_new(json_is_array(json) ? NODE_LIST : NODE_MAP));
	if (!node)
		return NULL;
	json_array_foreach (json, index, value) {
		if (append_json(r, node, value, depth) < 0)
			return NULL;
	}
	json_object_foreach (json, key, value) {
		if (append_json_key(r, node, key) < 0 || append_json(r, node, value, depth) < 0)
			return NULL;
	}
	return TAKE(node);
}

static struct node *read_json(struct json_reader *r, const json_t *json, unsigned depth)
{
	if (++r->count > NODE_COUNT_MAX) {
		err_set(r->err, ERR_CONFIG, "there are more than %d values", NODE_COUNT_MAX);
		return NULL;
	}
	if (!json_is_array(json) && !json_is_object(json))
		return read_json_scalar(r, json);
	if (depth == NODE_DEPTH_MAX) {
		err_set(r->err, ERR_CONFIG, "nested deeper than %d levels", NODE_DEPTH_MAX);
		return NULL;
	}
	/* jansson's iteration wants a pointer without const; nothing is changed. */
	return read_json_collection(r, (json_t *)json, depth + 1);
}

struct node *node_from_json(const json_t *json, struct err *err)
{
	struct json_reader r = { .err = err };

	return read_json(&r, json, 0);
}
