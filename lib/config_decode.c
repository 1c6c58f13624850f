/* SPDX-License-Identifier: MIT */
/*
 * Walks a mapping along the schema table. There is no code for any single key here: a row says
 * where the value goes (offset) and how to read it (type, see config_value.c).
 */
#include <stdio.h>
#include <string.h>

#include "lib/config_read.h"
#include "lib/str.h"
#include "lib/util.h"
#include "lib/yaml.h"

/* Places whose struct begins with a config_layer. */
#define LAYERED                                                                                    \
	(PLACE_BIT(PLACE_DEFAULTS) | PLACE_BIT(PLACE_HOST) | PLACE_BIT(PLACE_TUNNEL) |             \
	 PLACE_BIT(PLACE_KEEPALIVE) | PLACE_BIT(PLACE_RECONNECT))

void config_trail_push(struct config_decoder *d, const char *key)
{
	if (d->depth < CONFIG_TRAIL_MAX)
		d->trail[d->depth] = key;
	d->depth++;
}

void config_trail_pop(struct config_decoder *d)
{
	d->depth--;
}

void config_complain(struct config_decoder *d, const struct node *at, const char *fmt, ...)
{
	struct strbuf text = { 0 };
	char message[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	for (unsigned i = 0; !problem_is_full(d->problems) && i < MIN(d->depth, CONFIG_TRAIL_MAX);
	     i++)
		strbuf_addf(&text, "%s%s", i ? "." : "", d->trail[i]);
	problem_add(d->problems, at, "%s%s%s", text.data ? text.data : "", text.data ? ": " : "",
		    message);
	strbuf_fini(&text);
}

char *config_place_text(const struct node *place, const struct node *from, char *out, size_t size)
{
	if (streq(place->file, from->file))
		snprintf(out, size, "line %u", place->line);
	else
		snprintf(out, size, "%s:%u", place->file ? place->file : "the request",
			 place->line);
	return out;
}

/* The place a known key belongs to, "" when it is known nowhere or only at the top. */
static const char *belongs_to(const char *name)
{
	for (size_t i = 0; i < PLACE_COUNT; i++) {
		if (schema_find((enum schema_place)i, name))
			return i == PLACE_TOP ? "the top level" : schema_place_name(i);
	}
	return NULL;
}

static void complain_unknown(struct config_decoder *d, enum schema_place place,
			     const struct node *key)
{
	char name[80], keys[256];
	const char *hint, *home;

	if (problem_is_full(d->problems)) {
		d->problems->dropped++;
		return;
	}
	str_escape(name, sizeof(name), key->text, strlen(key->text));
	if ((hint = schema_refusal(place, key->text)))
		config_complain(d, key, "'%s': %s", name, hint);
	else if ((hint = schema_hint(place, key->text)))
		config_complain(d, key, "unknown key '%s'; write '%s'", name, hint);
	else if ((hint = schema_suggest(place, key->text)))
		config_complain(d, key, "unknown key '%s'; did you mean '%s'?", name, hint);
	else if ((home = belongs_to(key->text)))
		config_complain(d, key, "'%s' cannot stand here; it belongs to %s", name, home);
	else
		config_complain(
			d, key,
			"this version of tunneld does not know the key '%s'; known here: %s", name,
			schema_list(place, keys, sizeof(keys)));
}

/* A key of the table: decodes its value and remembers that it was there. */
static void decode_row(struct config_decoder *d, enum schema_place place,
		       const struct schema_key *row, const struct node *value, void *base)
{
	struct config_layer *layer = PLACE_BIT(place) & LAYERED ? base : NULL;
	bool good;

	config_trail_push(d, row->name);
	good = config_decode_value(d, row, value, (char *)base + row->offset);
	config_trail_pop(d);
	if (layer) {
		schema_set_add(&layer->written, schema_index(row));
		if (good)
			schema_set_add(&layer->set, schema_index(row));
	}
}

/* "'local', 'remote', 'dynamic'" */
static void add_name(char *names, size_t size, const char *name)
{
	size_t used = strlen(names);

	snprintf(names + used, size - used, "%s'%s'", used ? ", " : "", name);
}

static void check_required(struct config_decoder *d, enum schema_place place,
			   const struct node *map, const struct node *const *seen)
{
	bool has_one = true;
	char names[128] = "";

	for (size_t i = 0; i < schema_key_count; i++) {
		const struct schema_key *key = &schema_keys[i];

		if (!(key->places & PLACE_BIT(place)))
			continue;
		if (key->required && !seen[i])
			config_complain(d, map, "'%s' is missing (%s)", key->name, key->help);
		if (!key->one_of)
			continue;
		has_one = (*names && has_one) || seen[i];
		add_name(names, sizeof(names), key->name);
	}
	if (!has_one)
		config_complain(d, map, "one of %s is needed", names);
}

bool config_decode(struct config_decoder *d, enum schema_place place, const struct node *map,
		   void *base, const struct node **seen)
{
	const struct node *own[SCHEMA_KEYS_MAX] = { 0 };
	size_t before = problem_count(d->problems);
	char where[256];

	if (!seen)
		seen = own;
	for (size_t i = 0; map->kind == NODE_MAP && i < node_map_count(map); i++) {
		const struct node *key = node_map_key(map, i);
		const struct schema_key *row = schema_find(place, key->text);

		if (!row) {
			complain_unknown(d, place, key);
		} else if (seen[schema_index(row)]) {
			config_complain(d, key, "'%s' is written twice; the first is in %s",
					row->name,
					config_place_text(seen[schema_index(row)], key, where,
							  sizeof(where)));
		} else {
			seen[schema_index(row)] = key;
			decode_row(d, place, row, node_map_value(map, i), base);
		}
	}
	check_required(d, place, map, seen);
	return problem_count(d->problems) == before;
}

bool config_decode_fallbacks(struct config_decoder *d, enum schema_place place, bool system,
			     void *base)
{
	bool good = true;

	for (size_t i = 0; i < schema_key_count; i++) {
		const struct schema_key *row = &schema_keys[i];
		const char *text =
			system && row->system_fallback ? row->system_fallback : row->fallback;
		CLEANUP(node_freep) struct node *node = NULL;

		if (!(row->places & PLACE_BIT(place)) || !text || *text == '\0' ||
		    (!d->home && strstr(text, "~/")))
			continue;
		node = yaml_parse(text, strlen(text), NULL, NULL);
		if (node)
			decode_row(d, place, row, node, base);
		good = good && node;
	}
	return good;
}
