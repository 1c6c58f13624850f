/* SPDX-License-Identifier: MIT */
/*
 * Builds the tree from libyaml's events, never with its document API, which is quadratic on nested
 * input. An anchor becomes known when its node is complete, so no node can contain itself; an alias
 * is a copy, paid from one budget for the whole document, so nothing grows exponentially.
 */
#include "lib/yaml.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "lib/str.h"
#include "lib/util.h"
#include "lib/yaml_problem.h"

enum {
	ANCHORS_MAX = 1000,
	ALIAS_BYTES_MAX = 4 * 1024 * 1024, /* memory all aliases of a document may take */
	DIRECTIVES_MAX = 4, /* lines that begin with '%': libyaml compares each with all others */
};

struct anchor {
	char *name;
	const struct node *node; /* complete; owned by the tree that is being built */
};

struct reader {
	yaml_parser_t parser;
	const char *file;
	struct anchor *anchors;
	size_t anchor_count;
	size_t alias_budget;
	size_t node_count;
	struct err *err;
};

static struct node *read_node(struct reader *r, const yaml_event_t *event, unsigned depth);

/* The same as err_set() with a place; always NULL. */
__attribute__((format(printf, 3, 4))) static void *refuse(struct reader *r, const yaml_mark_t *mark,
							  const char *fmt, ...)
{
	char text[sizeof(r->err->msg)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	err_set(r->err, ERR_CONFIG, "%s", text);
	if (r->err) {
		r->err->at.file = r->file;
		r->err->at.line = (unsigned)mark->line + 1;
		r->err->at.column = (unsigned)mark->column + 1;
	}
	return NULL;
}

static int next_event(struct reader *r, yaml_event_t *event)
{
	if (yaml_parser_parse(&r->parser, event))
		return 0;
	yaml_problem_set(r->err, &r->parser, r->file);
	return -1;
}

static struct anchor *find_anchor(struct reader *r, const char *name)
{
	for (size_t i = 0; i < r->anchor_count; i++) {
		if (strcmp(r->anchors[i].name, name) == 0)
			return &r->anchors[i];
	}
	return NULL;
}

/* Makes node known under its anchor; a later anchor of the same name replaces the earlier one. */
static int add_anchor(struct reader *r, const yaml_event_t *event, const char *name,
		      struct node *node)
{
	struct anchor *anchor = find_anchor(r, name);

	if (!anchor) {
		if (r->anchor_count == ANCHORS_MAX) {
			refuse(r, &event->start_mark, "more than %d anchors (&name) in one file",
			       ANCHORS_MAX);
			return -1;
		}
		anchor = &r->anchors[r->anchor_count];
		anchor->name = strdup(name);
		if (!anchor->name)
			return err_nomem(r->err);
		r->anchor_count++;
	}
	anchor->node = node;
	return 0;
}

/* Where something stands. */
static struct node *placed(struct reader *r, struct node *node, const yaml_event_t *event)
{
	if (!node) {
		err_nomem(r->err);
		return NULL;
	}
	node->file = r->file;
	node->line = (unsigned)event->start_mark.line + 1;
	node->column = (unsigned)event->start_mark.column + 1;
	return node;
}

static struct node *read_alias(struct reader *r, const yaml_event_t *event)
{
	const char *name = (const char *)event->data.alias.anchor;
	const struct anchor *anchor = find_anchor(r, name);
	struct node *node;

	if (!anchor)
		return refuse(r, &event->start_mark,
			      "nothing above is named '&%.60s'; a value that begins with '*' needs "
			      "quotes",
			      name);
	node = node_copy(anchor->node, &r->alias_budget);
	if (!node && r->alias_budget == 0)
		return refuse(r, &event->start_mark,
			      "the aliases (*name) of this file multiply to more than %d MiB",
			      ALIAS_BYTES_MAX / (1024 * 1024));
	/* What stands in the copy keeps its own place: that is where it can be corrected. */
	return node ? node : placed(r, NULL, event);
}

static struct node *read_scalar(struct reader *r, const yaml_event_t *event)
{
	const char *text = (const char *)event->data.scalar.value;
	size_t length = event->data.scalar.length;

	if (memchr(text, '\0', length))
		return refuse(r, &event->start_mark, "a text cannot contain a NUL character");
	return placed(
		r,
		node_new_scalar(text, length, event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE),
		event);
}

/* What may stand as a key. */
static bool check_key(struct reader *r, const yaml_event_t *event)
{
	if (event->type == YAML_MAPPING_START_EVENT || event->type == YAML_SEQUENCE_START_EVENT) {
		refuse(r, &event->start_mark,
		       "a key must be a word; put what begins with '{' or '[' in quotes");
		return false;
	}
	if (event->type == YAML_SCALAR_EVENT &&
	    event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
	    strcmp((const char *)event->data.scalar.value, "<<") == 0) {
		refuse(r, &event->start_mark,
		       "merge keys (<<) are not supported; put what tunnels share into 'defaults' "
		       "or 'hosts'");
		return false;
	}
	return true;
}

/* Reads items until the end of the list or mapping. */
static int read_items(struct reader *r, struct node *node, unsigned depth)
{
	yaml_event_type_t end =
		node->kind == NODE_LIST ? YAML_SEQUENCE_END_EVENT : YAML_MAPPING_END_EVENT;

	for (;;) {
		struct node *item = NULL;
		yaml_event_t event;
		bool done;

		if (next_event(r, &event) < 0)
			return -1;
		done = event.type == end;
		if (!done &&
		    (node->kind == NODE_LIST || node->count % 2 == 1 || check_key(r, &event)))
			item = read_node(r, &event, depth);
		/* An alias as a key could be a whole mapping. */
		if (item && node->kind == NODE_MAP && node->count % 2 == 0 &&
		    item->kind != NODE_SCALAR) {
			refuse(r, &event.start_mark, "a key must be a word, not %s",
			       node_kind_name(item->kind));
			node_free(TAKE(item));
		}
		yaml_event_delete(&event);
		if (done)
			return 0;
		if (!item)
			return -1;
		if (node_append(node, item) < 0)
			return err_nomem(r->err);
	}
}

static struct node *read_collection(struct reader *r, const yaml_event_t *event, unsigned depth)
{
	CLEANUP(node_freep) struct node *node = NULL;
	bool list = event->type == YAML_SEQUENCE_START_EVENT;

	if (depth == NODE_DEPTH_MAX)
		return refuse(r, &event->start_mark, "nested deeper than %d levels",
			      NODE_DEPTH_MAX);
	node = placed(r, node_new(list ? NODE_LIST : NODE_MAP), event);
	if (!node || read_items(r, node, depth + 1) < 0)
		return NULL;
	return TAKE(node);
}

/* "!include x" and friends; the standard types ("!!str") change nothing here and are let through.
 */
static bool check_tag(struct reader *r, const yaml_event_t *event, const yaml_char_t *tag)
{
	const char *text = (const char *)tag;

	if (!tag || strncmp(text, "tag:yaml.org,2002:", 18) == 0 || strcmp(text, "!") == 0)
		return true;
	refuse(r, &event->start_mark,
	       "tags are not supported: '%.60s' (a value that begins with '!' needs quotes)", text);
	return false;
}

static const yaml_char_t *event_tag(const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_SCALAR_EVENT:
		return event->data.scalar.tag;
	case YAML_SEQUENCE_START_EVENT:
		return event->data.sequence_start.tag;
	default:
		return event->data.mapping_start.tag;
	}
}

static const char *event_anchor(const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_SCALAR_EVENT:
		return (const char *)event->data.scalar.anchor;
	case YAML_SEQUENCE_START_EVENT:
		return (const char *)event->data.sequence_start.anchor;
	default:
		return (const char *)event->data.mapping_start.anchor;
	}
}

/* One value, event being its first. The events between SEQUENCE-START, ... and its end are eaten.
 */
static struct node *read_node(struct reader *r, const yaml_event_t *event, unsigned depth)
{
	CLEANUP(node_freep) struct node *node = NULL;
	const char *anchor;

	if (++r->node_count > NODE_COUNT_MAX)
		return refuse(r, &event->start_mark, "more than %d values in one file",
			      NODE_COUNT_MAX);
	if (event->type == YAML_ALIAS_EVENT)
		return read_alias(r, event);
	if (!check_tag(r, event, event_tag(event)))
		return NULL;
	node = event->type == YAML_SCALAR_EVENT ? read_scalar(r, event)
						: read_collection(r, event, depth);
	anchor = event_anchor(event);
	if (!node || (anchor && add_anchor(r, event, anchor, node) < 0))
		return NULL;
	return TAKE(node);
}

/* The events around the one document. */
static struct node *read_document(struct reader *r)
{
	CLEANUP(node_freep) struct node *root = NULL;
	yaml_event_t event;
	bool done = false;

	while (!done) {
		if (next_event(r, &event) < 0)
			return NULL;
		switch (event.type) {
		case YAML_STREAM_END_EVENT:
			if (!root)
				root = placed(r, node_new_scalar("", 0, false), &event);
			done = true;
			break;
		case YAML_STREAM_START_EVENT:
		case YAML_DOCUMENT_END_EVENT:
			break;
		case YAML_DOCUMENT_START_EVENT:
			if (root) {
				refuse(r, &event.start_mark,
				       "a second document begins here ('---'); one file holds one");
				node_free(TAKE(root));
				done = true;
			}
			break;
		default:
			root = read_node(r, &event, 0);
			done = !root;
		}
		yaml_event_delete(&event);
	}
	return TAKE(root);
}

struct node *yaml_parse(const char *text, size_t length, const char *file, struct err *err)
{
	struct reader r = { .file = file, .alias_budget = ALIAS_BYTES_MAX, .err = err };
	struct node *root = NULL;

	if (yaml_text_check(err, text, length, file, YAML_BYTES_MAX, DIRECTIVES_MAX) < 0)
		return NULL;
	r.anchors = calloc(ANCHORS_MAX, sizeof(*r.anchors));
	if (!r.anchors || !yaml_parser_initialize(&r.parser)) {
		free(r.anchors);
		err_nomem(err);
		return NULL;
	}
	yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, length);
	root = read_document(&r);
	yaml_parser_delete(&r.parser);
	for (size_t i = 0; i < r.anchor_count; i++)
		free(r.anchors[i].name);
	free(r.anchors);
	return root;
}
