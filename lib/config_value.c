/* SPDX-License-Identifier: MIT */
/*
 * One decoder for each type of value in the schema. Each gets the row (for ranges and words), the
 * node and the place to write to, and either fills that or complains about the node.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/config_value.h"
#include "lib/duration.h"
#include "lib/str.h"
#include "lib/util.h"

struct shown {
	char text[80];
};

static struct shown show(const struct node *node)
{
	struct shown shown;

	str_escape(shown.text, sizeof(shown.text), node->text, strlen(node->text));
	return shown;
}

bool value_no_memory(struct config_decoder *d, const struct node *node)
{
	config_complain(d, node, "out of memory");
	return false;
}

bool value_complain(struct config_decoder *d, const struct node *node, const struct err *err)
{
	config_complain(d, node, "%s", err->msg);
	return false;
}

bool value_is_text(struct config_decoder *d, const struct node *node)
{
	if (node->kind != NODE_SCALAR)
		config_complain(d, node, "a single value is expected, not %s",
				node_kind_name(node->kind));
	else if (node_is_null(node))
		config_complain(d, node, "has no value");
	else
		return true;
	return false;
}

bool value_each(struct config_decoder *d, const struct schema_key *key, const struct node *node,
		void *value, value_fn *fn)
{
	bool good = true;

	if (node->kind != NODE_LIST)
		return fn(d, key, node, value);
	if (node->count < key->min) {
		config_complain(d, node, "the list is empty");
		return false;
	}
	if (node->count > key->max) {
		config_complain(d, node, "the list has %zu items; %u are allowed", node->count,
				key->max);
		return false;
	}
	for (size_t i = 0; i < node->count; i++)
		good &= fn(d, key, node->items[i], value);
	return good;
}

static bool decode_duration(struct config_decoder *d, const struct schema_key *key,
			    const struct node *node, void *value)
{
	char range[96];
	struct err err;
	unsigned ms;

	if (!value_is_text(d, node))
		return false;
	if (key->zero && strcmp(node->text, key->zero) == 0) {
		*(unsigned *)value = 0;
		return true;
	}
	if (duration_parse(node->text, &ms, &err) < 0)
		return value_complain(d, node, &err);
	if ((ms < key->min || ms > key->max) && !(ms == 0 && key->zero)) {
		config_complain(d, node, "%s is out of range; it can be %s", show(node).text,
				schema_range(key, range, sizeof(range)));
		return false;
	}
	*(unsigned *)value = ms;
	return true;
}

static bool decode_integer(struct config_decoder *d, const struct schema_key *key,
			   const struct node *node, void *value)
{
	unsigned long number;
	char range[96];
	size_t digits;

	if (!value_is_text(d, node))
		return false;
	if (key->zero && strcmp(node->text, key->zero) == 0) {
		*(unsigned *)value = 0;
		return true;
	}
	digits = strspn(node->text, "0123456789");
	number = digits <= 9 ? strtoul(node->text, NULL, 10) : ULONG_MAX;
	if (digits == 0 || node->text[digits] != '\0' || number < key->min || number > key->max) {
		config_complain(d, node, "'%s' is not a whole number %s", show(node).text,
				schema_range(key, range, sizeof(range)));
		return false;
	}
	*(unsigned *)value = (unsigned)number;
	return true;
}

/* "always or manual" */
static char *list_words(const struct schema_words *words, char *out, size_t size)
{
	size_t used = 0;

	out[0] = '\0';
	for (unsigned i = 0; i < words->count && used < size; i++)
		used += (size_t)snprintf(out + used, size - used, "%s%s",
					 i == 0                  ? ""
					 : i + 1 == words->count ? " or "
								 : ", ",
					 words->name(i));
	return out;
}

static bool decode_word(struct config_decoder *d, const struct schema_key *key,
			const struct node *node, void *value)
{
	const char *names[16], *meant;
	char list[160];

	if (!value_is_text(d, node))
		return false;
	for (unsigned i = 0; i < key->words->count; i++) {
		names[i] = key->words->name(i);
		if (strcmp(names[i], node->text) == 0) {
			*(unsigned *)value = i;
			return true;
		}
	}
	meant = str_suggest(node->text, names, key->words->count);
	config_complain(d, node, "'%s' is not %s%s%s%s", show(node).text,
			list_words(key->words, list, sizeof(list)), meant ? "; did you mean '" : "",
			meant ? meant : "", meant ? "'?" : "");
	return false;
}

static bool check_name(struct config_decoder *d, const struct node *node)
{
	if (!value_is_text(d, node))
		return false;
	if (config_name_is_valid(node->text))
		return true;
	config_complain(d, node,
			"'%s' is not a name; use up to %d letters, digits, '.', '_' and '-'",
			show(node).text, CONFIG_NAME_MAX);
	return false;
}

bool value_set_text(struct config_decoder *d, const struct node *node, char **to, const char *text)
{
	*to = strdup(text);
	return *to ? true : value_no_memory(d, node);
}

static bool decode_name(struct config_decoder *d, const struct schema_key *key,
			const struct node *node, void *value)
{
	return check_name(d, node) && value_set_text(d, node, value, node->text);
}

static bool add_name(struct config_decoder *d, const struct schema_key *key,
		     const struct node *node, void *value)
{
	if (!check_name(d, node))
		return false;
	if (strv_contains(value, node->text))
		return true;
	return strv_add(value, node->text) == 0 ? true : value_no_memory(d, node);
}

static bool decode_names(struct config_decoder *d, const struct schema_key *key,
			 const struct node *node, void *value)
{
	return node_is_null(node) || value_each(d, key, node, value, add_name);
}

static bool decode_user(struct config_decoder *d, const struct schema_key *key,
			const struct node *node, void *value)
{
	struct err err;

	if (!value_is_text(d, node))
		return false;
	if (endpoint_check_user(node->text, &err) < 0)
		return value_complain(d, node, &err);
	return value_set_text(d, node, value, node->text);
}

static bool is_mapping(struct config_decoder *d, const struct node *node)
{
	if (node->kind == NODE_MAP || node_is_null(node))
		return true;
	config_complain(d, node, "a mapping of keys is expected, not %s",
			node_kind_name(node->kind));
	return false;
}

static bool decode_map(struct config_decoder *d, const struct schema_key *key,
		       const struct node *node, void *value)
{
	return is_mapping(d, node) && config_decode(d, key->inner, node, value, NULL);
}

/* Entries are decoded when all files are read: here they are only gathered. */
static bool decode_entries(struct config_decoder *d, const struct schema_key *key,
			   const struct node *node, void *value)
{
	struct config_entries *entries = value;
	size_t count = node->kind == NODE_MAP ? node_map_count(node) : 0;
	struct config_entry *items;

	if (!is_mapping(d, node))
		return false;
	if (count == 0)
		return true;
	items = realloc(entries->items, (entries->count + count) * sizeof(*items));
	if (!items)
		return value_no_memory(d, node);
	entries->items = items;
	for (size_t i = 0; i < count; i++, entries->count++)
		items[entries->count] = (struct config_entry){
			.name = node_map_key(node, i),
			.value = node_map_value(node, i),
			.order = entries->count,
		};
	return true;
}

static bool add_pattern(struct config_decoder *d, const struct schema_key *key,
			const struct node *node, void *value)
{
	struct config_patterns *patterns = value;
	const struct node **items;

	if (!value_is_text(d, node))
		return false;
	items = realloc(patterns->items, (patterns->count + 1) * sizeof(struct node *));
	if (!items)
		return value_no_memory(d, node);
	items[patterns->count++] = node;
	patterns->items = items;
	return true;
}

static bool decode_globs(struct config_decoder *d, const struct schema_key *key,
			 const struct node *node, void *value)
{
	return node_is_null(node) || value_each(d, key, node, value, add_pattern);
}

/* YAML's own words, which JSON has without quotes. */
static bool decode_boolean(struct config_decoder *d, const struct schema_key *key,
			   const struct node *node, void *value)
{
	static const char *const words[] = { "no", "yes", "false", "true" };

	if (!value_is_text(d, node))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (strcmp(words[i], node->text) == 0) {
			*(unsigned *)value = i % 2;
			return true;
		}
	}
	config_complain(d, node, "'%s' is not yes or no", show(node).text);
	return false;
}

static value_fn *const decoders[SCHEMA_TYPE_COUNT] = {
	[SCHEMA_MAP] = decode_map,
	[SCHEMA_ENTRIES] = decode_entries,
	[SCHEMA_GLOBS] = decode_globs,
	[SCHEMA_PATHS] = value_paths,
	[SCHEMA_FILES] = value_files,
	[SCHEMA_IDENTITIES] = value_identities,
	[SCHEMA_SECRET] = value_secret,
	[SCHEMA_AGENT] = value_agent,
	[SCHEMA_DURATION] = decode_duration,
	[SCHEMA_INTEGER] = decode_integer,
	[SCHEMA_WORD] = decode_word,
	[SCHEMA_NAME] = decode_name,
	[SCHEMA_NAMES] = decode_names,
	[SCHEMA_USER] = decode_user,
	[SCHEMA_ALGORITHMS] = value_algorithms,
	[SCHEMA_REKEY] = value_rekey,
	[SCHEMA_HOST_KEY] = value_host_key,
	[SCHEMA_HOST_NAME] = value_host_name,
	[SCHEMA_HOST_ALIAS] = value_host_alias,
	[SCHEMA_QOS] = value_qos,
	[SCHEMA_PROXY] = value_proxy,
	[SCHEMA_COMMAND] = value_command,
	[SCHEMA_JUMPS] = value_jumps,
	[SCHEMA_SSH_CONFIG] = value_ssh_config,
	[SCHEMA_HOST] = value_host,
	[SCHEMA_ADDRESS] = value_address,
	[SCHEMA_FORWARDS] = value_forwards,
	[SCHEMA_LISTEN] = value_listen,
	[SCHEMA_TARGET] = value_target,
	[SCHEMA_BOOLEAN] = decode_boolean,
	[SCHEMA_ALLOW] = value_allow,
	[SCHEMA_CREDENTIAL] = value_credential,
	[SCHEMA_MODE] = value_mode,
};

bool config_decode_value(struct config_decoder *d, const struct schema_key *key,
			 const struct node *node, void *value)
{
	return decoders[key->type](d, key, node, value);
}
