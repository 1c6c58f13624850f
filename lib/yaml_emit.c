/* SPDX-License-Identifier: MIT */
#include "lib/yaml_emit.h"

#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "lib/str.h"

enum {
	BLOCK_DEPTH = 3, /* mappings down to this depth are blocks: tunnels, a tunnel, its keys */
	LINE_MAX_BYTES = 64, /* of a list that stands in one line */
	DEPTH_MAX = 16,
};

static int on_bytes(void *data, unsigned char *bytes, size_t size)
{
	strbuf_add_bytes(data, (const char *)bytes, size);
	return 1;
}

/* Words that would be read as nothing. */
static bool reads_as_null(const char *text)
{
	return *text == '\0' || strcmp(text, "~") == 0 || strcasecmp(text, "null") == 0;
}

static int emit_text(yaml_emitter_t *emitter, const char *text)
{
	yaml_scalar_style_t style =
		reads_as_null(text) ? YAML_SINGLE_QUOTED_SCALAR_STYLE : YAML_PLAIN_SCALAR_STYLE;
	yaml_event_t event;

	return yaml_scalar_event_initialize(&event, NULL, NULL, (const yaml_char_t *)text, -1, 1, 1,
					    style) &&
	       yaml_emitter_emit(emitter, &event);
}

static int emit_number(yaml_emitter_t *emitter, const json_t *value)
{
	char text[32];

	snprintf(text, sizeof(text), "%lld", (long long)json_integer_value(value));
	return emit_text(emitter, text);
}

static int emit(yaml_emitter_t *emitter, const json_t *value, unsigned depth);

static int emit_map(yaml_emitter_t *emitter, const json_t *map, unsigned depth)
{
	bool block = depth < BLOCK_DEPTH && json_object_size(map) > 0;
	yaml_event_t event;
	const char *key;
	json_t *value;

	if (!yaml_mapping_start_event_initialize(&event, NULL, NULL, 1,
						 block ? YAML_BLOCK_MAPPING_STYLE
						       : YAML_FLOW_MAPPING_STYLE) ||
	    !yaml_emitter_emit(emitter, &event))
		return 0;
	json_object_foreach ((json_t *)map, key, value) {
		if (!emit_text(emitter, key) || !emit(emitter, value, depth + 1))
			return 0;
	}
	return yaml_mapping_end_event_initialize(&event) && yaml_emitter_emit(emitter, &event);
}

static bool fits_a_line(const json_t *list)
{
	size_t bytes = 0, i;
	json_t *item;

	json_array_foreach (list, i, item) {
		if (!json_is_string(item))
			return false;
		bytes += json_string_length(item) + 2;
	}
	return bytes <= LINE_MAX_BYTES;
}

static int emit_list(yaml_emitter_t *emitter, const json_t *list, unsigned depth)
{
	yaml_sequence_style_t style =
		fits_a_line(list) ? YAML_FLOW_SEQUENCE_STYLE : YAML_BLOCK_SEQUENCE_STYLE;
	yaml_event_t event;
	json_t *item;
	size_t i;

	if (!yaml_sequence_start_event_initialize(&event, NULL, NULL, 1, style) ||
	    !yaml_emitter_emit(emitter, &event))
		return 0;
	json_array_foreach (list, i, item) {
		if (!emit(emitter, item, depth + 1))
			return 0;
	}
	return yaml_sequence_end_event_initialize(&event) && yaml_emitter_emit(emitter, &event);
}

static int emit(yaml_emitter_t *emitter, const json_t *value, unsigned depth)
{
	if (depth > DEPTH_MAX)
		return 0;
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		return emit_map(emitter, value, depth);
	case JSON_ARRAY:
		return emit_list(emitter, value, depth);
	case JSON_STRING:
		return emit_text(emitter, json_string_value(value));
	case JSON_INTEGER:
		return emit_number(emitter, value);
	default:
		return emit_text(emitter, json_is_true(value) ? "true" : "false");
	}
}

static int emit_document(yaml_emitter_t *emitter, const json_t *document)
{
	yaml_event_t event;

	return yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING) &&
	       yaml_emitter_emit(emitter, &event) &&
	       yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1) &&
	       yaml_emitter_emit(emitter, &event) && emit(emitter, document, 0) &&
	       yaml_document_end_event_initialize(&event, 1) &&
	       yaml_emitter_emit(emitter, &event) && yaml_stream_end_event_initialize(&event) &&
	       yaml_emitter_emit(emitter, &event) && yaml_emitter_flush(emitter);
}

char *yaml_emit(const json_t *document, struct err *err)
{
	struct strbuf text = { 0 };
	yaml_emitter_t emitter;
	char *whole;
	int good;

	if (!yaml_emitter_initialize(&emitter)) {
		err_nomem(err);
		return NULL;
	}
	yaml_emitter_set_output(&emitter, on_bytes, &text);
	yaml_emitter_set_unicode(&emitter, 1);
	yaml_emitter_set_width(&emitter, -1); /* no line is broken */
	good = emit_document(&emitter, document);
	yaml_emitter_delete(&emitter);
	whole = strbuf_take(&text);
	if (good && whole)
		return whole;
	free(whole);
	err_nomem(err);
	return NULL;
}
