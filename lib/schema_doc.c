/* SPDX-License-Identifier: MIT */
/*
 * Prints the schema table: each type of value has one row here with its words for people and its
 * fragment of JSON Schema; everything else comes from the table in schema.c.
 */
#include "lib/schema_doc.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "lib/config.h"
#include "lib/schema.h"
#include "lib/str.h"
#include "lib/util.h"

#define NAME_PATTERN "^[A-Za-z0-9._-]{1,64}$"
#define SECRET_PATTERN                                                                             \
	"^(" CREDENTIAL_PREFIX "[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$|/|~/|\\./|\\.\\./)"
#define DURATION_PATTERN "^([0-9]+|([0-9]+(h|m|s|ms))+)$"

/* Returns a new reference, NULL when out of memory. */
typedef json_t *fragment_fn(const struct schema_key *key);

static const struct {
	const char *heading; /* in the reference */
	const char *about;
	const char *definition; /* under "$defs" */
} places[PLACE_COUNT] = {
	[PLACE_TOP] = { "The file", "A mapping with these keys. An empty file is a valid one.",
			NULL },
	[PLACE_DAEMON] = { "daemon", NULL, "daemon" },
	[PLACE_DEFAULTS] = { "defaults, hosts and tunnels",
			     "These keys may stand in 'defaults', in an entry of 'hosts' and in a "
			     "tunnel. The nearest one wins: the tunnel's, then its host's, then the "
			     "defaults'.",
			     "defaults" },
	[PLACE_KEEPALIVE] = { "keepalive", "Each key is inherited by itself.", "keepalive" },
	[PLACE_RECONNECT] = { "reconnect", "Each key is inherited by itself.", "reconnect" },
	[PLACE_HOST] = { "An entry of hosts", "The keys of 'defaults' and:", "host" },
	[PLACE_TUNNEL] = { "An entry of tunnels", "The keys of 'defaults' and:", "tunnel" },
	[PLACE_FORWARD] = { "A forward as a mapping",
			    "What 'local', 'remote' and 'dynamic' have as a text, in parts, and more.",
			    "forward" },
};

/* The order in which people want to read about them. */
static const enum schema_place chapters[] = {
	PLACE_TOP,      PLACE_TUNNEL,    PLACE_FORWARD,   PLACE_HOST,
	PLACE_DEFAULTS, PLACE_KEEPALIVE, PLACE_RECONNECT, PLACE_DAEMON,
};

static json_t *reference_to(enum schema_place place)
{
	return json_pack("{s:o}", "$ref", json_sprintf("#/$defs/%s", places[place].definition));
}

static json_t *one_or_list(const struct schema_key *key, json_t *item)
{
	json_t *list = json_pack("{s:s, s:O, s:i, s:i}", "type", "array", "items", item, "minItems",
				 key->min, "maxItems", key->max);

	return json_pack("{s:[o, o]}", "anyOf", item, list);
}

static json_t *text_fragment(const struct schema_key *key)
{
	return json_pack("{s:s, s:i}", "type", "string", "minLength", 1);
}

static json_t *name_fragment(const struct schema_key *key)
{
	return json_pack("{s:s, s:s}", "type", "string", "pattern", NAME_PATTERN);
}

/* So that an editor marks a password that is written where the way to it belongs. */
static json_t *secret_fragment(const struct schema_key *key)
{
	return json_pack("{s:s, s:s}", "type", "string", "pattern", SECRET_PATTERN);
}

static json_t *map_fragment(const struct schema_key *key)
{
	return reference_to(key->inner);
}

static json_t *entries_fragment(const struct schema_key *key)
{
	return json_pack("{s:[s, s], s:{s:s}, s:o}", "type", "object", "null", "propertyNames",
			 "pattern", NAME_PATTERN, "additionalProperties", reference_to(key->inner));
}

static json_t *texts_fragment(const struct schema_key *key)
{
	return one_or_list(key, text_fragment(key));
}

static json_t *names_fragment(const struct schema_key *key)
{
	return one_or_list(key, name_fragment(key));
}

/* A port alone is a number to YAML. */
static json_t *port_fragment(void)
{
	return json_pack("{s:s, s:i, s:i}", "type", "integer", "minimum", 0, "maximum", UINT16_MAX);
}

static json_t *forwards_fragment(const struct schema_key *key)
{
	json_t *choices = json_pack("[o, o]", text_fragment(key), reference_to(key->inner));

	if (strcmp(key->name, forward_type_name(FORWARD_DYNAMIC)) == 0)
		json_array_append_new(choices, port_fragment());
	return one_or_list(key, json_pack("{s:o}", "anyOf", choices));
}

/* A number of seconds or a text; and the word for 0. */
static json_t *duration_fragment(const struct schema_key *key)
{
	json_t *choices = json_pack("[{s:s, s:i}, {s:s, s:s}]", "type", "integer", "minimum", 0,
				    "type", "string", "pattern", DURATION_PATTERN);

	if (key->zero)
		json_array_append_new(choices, json_pack("{s:s}", "const", key->zero));
	return json_pack("{s:o}", "anyOf", choices);
}

static json_t *integer_fragment(const struct schema_key *key)
{
	json_t *number = json_pack("{s:s, s:i, s:i}", "type", "integer", "minimum", key->min,
				   "maximum", key->max);

	if (!key->zero)
		return number;
	return json_pack("{s:[o, {s:s}]}", "anyOf", number, "const", key->zero);
}

static json_t *word_fragment(const struct schema_key *key)
{
	json_t *words = json_array();

	for (unsigned i = 0; i < key->words->count; i++)
		json_array_append_new(words, json_string(key->words->name(i)));
	return json_pack("{s:o}", "enum", words);
}

static json_t *listen_fragment(const struct schema_key *key)
{
	return json_pack("{s:[o, o]}", "anyOf", port_fragment(), text_fragment(key));
}

static json_t *boolean_fragment(const struct schema_key *key)
{
	return json_pack("{s:[b, b, s, s]}", "enum", 1, 0, "yes", "no");
}

static json_t *credential_fragment(const struct schema_key *key)
{
	return json_pack("{s:[s, s], s:i, s:i}", "type", "string", "integer", "minLength", 1,
			 "maxLength", 255);
}

/* YAML takes 0660 for a number, whatever its value. */
static json_t *mode_fragment(const struct schema_key *key)
{
	return json_pack("{s:[s, s], s:s}", "type", "string", "integer", "pattern", "^[0-7]{3,4}$");
}

/* A number of bytes, or as ssh writes it. */
static json_t *rekey_fragment(const struct schema_key *key)
{
	return json_pack("{s:[s, s]}", "type", "string", "integer");
}

static json_t *qos_fragment(const struct schema_key *key)
{
	return json_pack("{s:[s, s]}", "type", "string", "integer");
}

static json_t *host_key_fragment(const struct schema_key *key)
{
	json_t *pins = texts_fragment(key);
	json_t *map = json_pack("{s:s, s:{s:O}, s:[s], s:b}", "type", "object", "properties", "pin",
				pins, "required", "pin", "additionalProperties", 0);
	json_t *item = json_pack("{s:[o, o]}", "anyOf", text_fragment(key), map);

	json_decref(pins);
	return one_or_list(key, item);
}

static json_t *ssh_config_fragment(const struct schema_key *key)
{
	return json_pack("{s:[s, s], s:i}", "type", "string", "boolean", "minLength", 1);
}

static const struct {
	const char *words; /* what to write; NULL: the words of the row */
	fragment_fn *fragment;
} types[SCHEMA_TYPE_COUNT] = {
	[SCHEMA_MAP] = { "a mapping", map_fragment },
	[SCHEMA_ENTRIES] = { "a mapping from names to mappings", entries_fragment },
	[SCHEMA_GLOBS] = { "a path or a list of paths", texts_fragment },
	[SCHEMA_PATHS] = { "a path or a list of paths", texts_fragment },
	[SCHEMA_FILES] = { "a path, credential:NAME, or a list of them", texts_fragment },
	[SCHEMA_IDENTITIES] = { "a path, credential:NAME, agent, or a list of them",
				texts_fragment },
	[SCHEMA_SECRET] = { "a path or credential:NAME", secret_fragment },
	[SCHEMA_AGENT] = { "a path, SSH_AUTH_SOCK or none", text_fragment },
	[SCHEMA_REKEY] = { "a size, and a duration", rekey_fragment },
	[SCHEMA_HOST_KEY] = { "strict, accept-new, or one or a list of keys", host_key_fragment },
	[SCHEMA_HOST_NAME] = { "a name or address", text_fragment },
	[SCHEMA_HOST_ALIAS] = { "a name or address, or [name]:port", text_fragment },
	[SCHEMA_QOS] = { "a class of service", qos_fragment },
	[SCHEMA_PROXY] = { "a URL", text_fragment },
	[SCHEMA_COMMAND] = { "a list of words, or a text", texts_fragment },
	[SCHEMA_JUMPS] = { "a server or a list of servers, or none", texts_fragment },
	[SCHEMA_SSH_CONFIG] = { "yes, no or a path", ssh_config_fragment },
	[SCHEMA_DURATION] = { "a duration", duration_fragment },
	[SCHEMA_INTEGER] = { "a whole number", integer_fragment },
	[SCHEMA_WORD] = { NULL, word_fragment },
	[SCHEMA_NAME] = { "a name", name_fragment },
	[SCHEMA_NAMES] = { "a name or a list of names", names_fragment },
	[SCHEMA_USER] = { "a user name", text_fragment },
	[SCHEMA_ALGORITHMS] = { "names separated by commas", text_fragment },
	[SCHEMA_HOST] = { "a name from hosts, or [user@]host[:port], or a list of them",
			  texts_fragment },
	[SCHEMA_ADDRESS] = { "host[:port]", text_fragment },
	[SCHEMA_FORWARDS] = { "a text, a mapping or a list of them", forwards_fragment },
	[SCHEMA_BOOLEAN] = { "yes or no", boolean_fragment },
	[SCHEMA_LISTEN] = { "[bind:]port or a path", listen_fragment },
	[SCHEMA_TARGET] = { "host:port or a path", text_fragment },
	[SCHEMA_ALLOW] = { "a destination or a list of destinations", texts_fragment },
	[SCHEMA_CREDENTIAL] = { "a text", credential_fragment },
	[SCHEMA_MODE] = { "permissions in octal", mode_fragment },
};

/* Whether a row belongs to the chapter of place. What may stand in many places has its own. */
static bool is_in_chapter(const struct schema_key *key, enum schema_place place)
{
	unsigned shared = PLACE_BIT(PLACE_DEFAULTS);

	if (!(key->places & PLACE_BIT(place)))
		return false;
	return place == PLACE_DEFAULTS || !(key->places & shared);
}

/* What a value is when nobody writes it; "" when there is nothing to say. */
static void add_fallback(struct strbuf *b, const struct schema_key *key)
{
	if (key->required)
		strbuf_add(b, "Required.");
	else if (key->fallback_text)
		strbuf_addf(b, "Default: %s.", key->fallback_text);
	else if (key->fallback)
		strbuf_addf(b, "Default: %s.", key->fallback);
	if (key->system_fallback)
		strbuf_addf(b, " The system instance: %s.",
			    *key->system_fallback ? key->system_fallback
						  : "none, it has to be written");
}

static void add_range(struct strbuf *b, const struct schema_key *key)
{
	char range[96];

	if (key->type == SCHEMA_DURATION || key->type == SCHEMA_INTEGER)
		strbuf_addf(b, ", %s", schema_range(key, range, sizeof(range)));
}

/* "a duration, from 0s to 1h" or "always, manual" */
static void add_type(struct strbuf *b, const struct schema_key *key)
{
	if (types[key->type].words)
		strbuf_add(b, types[key->type].words);
	else
		for (unsigned i = 0; i < key->words->count; i++)
			strbuf_addf(b, "%s%s", i ? ", " : "", key->words->name(i));
	add_range(b, key);
}

/* The help as a sentence. */
static void add_help(struct strbuf *b, const struct schema_key *key)
{
	strbuf_addf(b, "%c%s.", toupper((unsigned char)key->help[0]), key->help + 1);
}

/* Text as scdoc shows it unchanged. */
static void add_scdoc(struct strbuf *b, const char *text)
{
	for (; *text; text++) {
		if (strchr("*_\\#~[]<>", *text))
			strbuf_add(b, "\\");
		strbuf_add_bytes(b, text, 1);
	}
}

static void add_row(struct strbuf *out, const struct schema_key *key)
{
	struct strbuf text = { 0 };

	strbuf_addf(out, "*%s*: ", key->name);
	add_type(&text, key);
	strbuf_add(&text, "\n\t");
	add_help(&text, key);
	strbuf_add(&text, " ");
	add_fallback(&text, key);
	if (text.data && text.data[text.length - 1] == ' ')
		text.data[text.length - 1] = '\0';
	add_scdoc(out, text.data ? text.data : "");
	strbuf_add(out, "\n\n");
	out->failed |= text.failed;
	strbuf_fini(&text);
}

char *schema_reference(void)
{
	struct strbuf out = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(chapters); i++) {
		enum schema_place place = chapters[i];

		strbuf_addf(&out, "## %s\n\n", places[place].heading);
		if (places[place].about)
			strbuf_addf(&out, "%s\n\n", places[place].about);
		for (size_t j = 0; j < schema_key_count; j++) {
			if (is_in_chapter(&schema_keys[j], place))
				add_row(&out, &schema_keys[j]);
		}
	}
	return strbuf_take(&out);
}

/* The fragment of a row, with its help. */
static json_t *describe(const struct schema_key *key)
{
	json_t *fragment = types[key->type].fragment(key);
	struct strbuf text = { 0 };
	char *description;

	add_help(&text, key);
	strbuf_add(&text, " ");
	add_fallback(&text, key);
	if (text.data && text.data[text.length - 1] == ' ')
		text.data[--text.length] = '\0';
	description = strbuf_take(&text);
	if (!fragment || !description ||
	    json_object_set_new(fragment, "description", json_string(description)) < 0) {
		json_decref(fragment);
		fragment = NULL;
	}
	free(description);
	return fragment;
}

/* The mapping of a place. */
static json_t *describe_place(enum schema_place place)
{
	json_t *properties = json_object(), *required = json_array(), *one_of = json_array();
	json_t *description;
	int failed = 0;

	for (size_t i = 0; i < schema_key_count; i++) {
		const struct schema_key *key = &schema_keys[i];

		if (!(key->places & PLACE_BIT(place)))
			continue;
		failed |= json_object_set_new(properties, key->name, describe(key));
		if (key->required)
			failed |= json_array_append_new(required, json_string(key->name));
		if (key->one_of)
			failed |= json_array_append_new(
				one_of, json_pack("{s:[s]}", "required", key->name));
	}
	/* A mapping nothing has to stand in may be left out altogether. */
	description = json_array_size(required) == 0
			      ? json_pack("{s:[s, s]}", "type", "object", "null")
			      : json_pack("{s:s, s:O}", "type", "object", "required", required);
	failed |= json_object_set_new(description, "additionalProperties", json_false());
	failed |= json_object_set(description, "properties", properties);
	if (json_array_size(one_of) > 0)
		failed |= json_object_set(description, "anyOf", one_of);
	json_decref(properties);
	json_decref(required);
	json_decref(one_of);
	if (!failed)
		return description;
	json_decref(description);
	return NULL;
}

json_t *schema_json(void)
{
	json_t *schema = describe_place(PLACE_TOP), *definitions = json_object();
	int failed = 0;

	for (int place = 0; place < PLACE_COUNT; place++) {
		if (places[place].definition)
			failed |= json_object_set_new(definitions, places[place].definition,
						      describe_place((enum schema_place)place));
	}
	failed |= json_object_set_new(schema, "$schema",
				      json_string("https://json-schema.org/draft/2020-12/schema"));
	failed |= json_object_set_new(schema, "title", json_string("Configuration of tunneld"));
	failed |= json_object_set(schema, "$defs", definitions);
	json_decref(definitions);
	if (failed) {
		json_decref(schema);
		return NULL;
	}
	return schema;
}
