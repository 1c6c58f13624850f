/* SPDX-License-Identifier: MIT */
/*
 * A document as a tree: texts, lists and mappings, each with the place it was written at. It comes
 * from YAML (yaml.c) or JSON (node_from_json); who reads it does not see the difference. Types are
 * not guessed: `5432`, `true` and `off` are texts, and the schema says what they have to be.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/err.h"

enum {
	NODE_DEPTH_MAX = 32, /* levels of lists and mappings */
	NODE_COUNT_MAX = 400000, /* nodes of one document */
};

enum node_kind {
	NODE_SCALAR,
	NODE_LIST,
	NODE_MAP,
};

struct node {
	enum node_kind kind;
	bool quoted; /* a scalar in quotes, or a JSON string: never the null value */
	unsigned line, column; /* from 1; 0: not from a file */
	const char *file; /* borrowed; NULL: not from a file */
	char *text; /* of a scalar; holds no other NUL than its last byte */
	struct node **items; /* owned; of a list; of a mapping key, value, key, value... */
	size_t count; /* of items */
};

struct node *node_new(enum node_kind kind); /* NULL: no memory */
struct node *node_new_scalar(const char *text, size_t length, bool quoted);
void node_free(struct node *node);
static inline void node_freep(struct node **node)
{
	node_free(*node);
}

/* Item becomes the property of node in any case; -1: no memory. */
int node_append(struct node *node, struct node *item);

/* A copy that shares nothing; *budget is what it may still cost in bytes and goes down. NULL: no
 * memory, or, when *budget has become 0, too large. */
struct node *node_copy(const struct node *node, size_t *budget);

static inline size_t node_map_count(const struct node *map)
{
	return map->count / 2;
}

static inline const struct node *node_map_key(const struct node *map, size_t index)
{
	return map->items[2 * index];
}

static inline const struct node *node_map_value(const struct node *map, size_t index)
{
	return map->items[2 * index + 1];
}

/* The value of the first such key, NULL when there is none. */
const struct node *node_find(const struct node *map, const char *key);

/* `key:` with nothing behind it, `~`, `null`. */
bool node_is_null(const struct node *node);

const char *node_kind_name(enum node_kind kind); /* "a mapping" */

/* The same tree from JSON: numbers, true and false become texts. Positions are 0. */
struct node *node_from_json(const json_t *json, struct err *err);
