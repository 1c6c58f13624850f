/* SPDX-License-Identifier: MIT */
/*
 * The other ways to a server: through a proxy, or over what a command does. Of the two the one that is
 * written nearer counts, because both answer the same question; "none" is an answer as well.
 */
#include <string.h>

#include "lib/config_value.h"
#include "lib/proxy_command.h"
#include "lib/proxy_url.h"
#include "lib/str.h"
#include "lib/tokens.h"
#include "lib/util.h"

#define NONE "none"

/* ---- proxy ---- */

bool config_is_exposed(const struct config_decoder *d, const struct node *node)
{
	return d->exposed && node->file && strv_contains(d->exposed, node->file);
}

bool value_proxy(struct config_decoder *d, const struct schema_key *key, const struct node *node,
		 void *value)
{
	struct proxy_url url;
	struct err err;
	bool has_password;

	if (!value_is_text(d, node))
		return false;
	if (strcmp(node->text, NONE) == 0)
		return value_set_text(d, node, value, "");
	if (proxy_url_parse(node->text, &url, &err) < 0)
		return value_complain(d, node, &err);
	has_password = url.password[0];
	explicit_bzero(&url, sizeof(url));
	if (has_password && config_is_exposed(d, node)) {
		config_complain(d, node,
				"others can read the password in this file; run chmod 600 %.240s",
				node->file);
		return false;
	}
	return value_set_text(d, node, value, node->text);
}

/* ---- proxy_command ---- */

static bool add_word(struct config_decoder *d, const struct schema_key *key,
		     const struct node *node, void *value)
{
	struct err err;

	if (!value_is_text(d, node))
		return false;
	if (tokens_check(node->text, PROXY_COMMAND_TOKENS, &err) < 0)
		return value_complain(d, node, &err);
	return strv_add(value, node->text) == 0 ? true : value_no_memory(d, node);
}

/* A line is for the shell, as ssh runs it; and only in a file, where its author may do that. */
static bool add_shell(struct config_decoder *d, const struct node *node, struct strv *to)
{
	CLEANUP(freep) char *line = NULL;
	struct err err;

	if (!node->file) {
		config_complain(d, node,
				"a command is a list of words here, not a line for the shell: "
				"[nc, '%%h', '%%p']");
		return false;
	}
	if (tokens_check(node->text, PROXY_COMMAND_TOKENS, &err) < 0)
		return value_complain(d, node, &err);
	line = str_printf("exec %s", node->text);
	if (!line || strv_add(to, PROXY_COMMAND_SHELL) < 0 || strv_add(to, "-c") < 0 ||
	    strv_add(to, line) < 0)
		return value_no_memory(d, node);
	return true;
}

/* A program beside the file is named as every other path; one without a '/' is looked for in PATH. */
static bool settle_program(struct config_decoder *d, const struct node *node, struct strv *words)
{
	char *path;

	if (words->items[0][0] == '\0') {
		config_complain(d, node, "the first word, the program, is empty");
		return false;
	}
	if (!strchr(words->items[0], '/'))
		return true;
	path = config_expand_path(d, node, words->items[0]);
	if (!path)
		return false;
	free(words->items[0]);
	words->items[0] = path;
	return true;
}

bool value_command(struct config_decoder *d, const struct schema_key *key, const struct node *node,
		   void *value)
{
	if (node->kind == NODE_LIST)
		return value_each(d, key, node, value, add_word) &&
		       settle_program(d, node->items[0], value);
	if (!value_is_text(d, node))
		return false;
	if (strcmp(node->text, NONE) == 0)
		return strv_add(value, "") == 0 ? true : value_no_memory(d, node);
	return add_shell(d, node, value);
}

/* ---- which of them ---- */

static bool is_set(const struct config_layer *layer, const char *key)
{
	return schema_set_has(&layer->set, schema_index(schema_find(PLACE_DEFAULTS, key)));
}

/* How near key was written; 0: not at all. */
static size_t nearest(const struct config_layer *const *layers, size_t count, const char *key)
{
	while (count > 0 && !is_set(layers[count - 1], key))
		count--;
	return count;
}

void config_settle_way(const struct config_layer *const *layers, size_t count,
		       struct connection_settings *c)
{
	size_t proxy = nearest(layers, count, "proxy");
	size_t command = nearest(layers, count, "proxy_command");
	struct strv *words = &c->proxy_command;

	if (c->proxy && (!*c->proxy || command > proxy))
		free(TAKE(c->proxy));
	if (words->count > 0 && (!*words->items[0] || proxy > command))
		strv_fini(words);
	if (streq(c->bind_address, "any"))
		free(TAKE(c->bind_address));
}

static const struct {
	const char *key, *other, *why;
} exclusions[] = {
	{ "proxy", "proxy_command",
	  "there is a 'proxy' as well; which of them leads to the server?" },
	{ "jump", "proxy",
	  "belongs to the server that is reached first: write it at the entry in hosts "
	  "of the first jump" },
	{ "jump", "proxy_command",
	  "belongs to the server that is reached first: write it at the entry "
	  "in hosts of the first jump" },
};

static bool is_written(const struct node *map, const char *key)
{
	const struct node *value = node_find(map, key);

	return value && !(value->kind == NODE_SCALAR && streq(value->text, NONE));
}

void config_check_way(struct config_decoder *d, const struct node *map)
{
	if (map->kind != NODE_MAP)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(exclusions); i++) {
		if (!is_written(map, exclusions[i].key) || !is_written(map, exclusions[i].other))
			continue;
		config_trail_push(d, exclusions[i].other);
		config_complain(d, node_find(map, exclusions[i].other), "%s", exclusions[i].why);
		config_trail_pop(d);
	}
}

/* The shell would see more in it than a name. */
static bool is_plain(const char *text)
{
	return strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
			    "._-@%+:") == strlen(text);
}

void config_check_command(struct config_decoder *d, const struct connection_settings *c,
			  const struct node *map)
{
	const struct strv *words = &c->proxy_command;
	char shown[80];

	if (words->count != 3 || strcmp(words->items[0], PROXY_COMMAND_SHELL) != 0 ||
	    strcmp(words->items[1], "-c") != 0 || !strstr(words->items[2], "%r") || !c->user ||
	    is_plain(c->user))
		return;
	str_escape(shown, sizeof(shown), c->user, strlen(c->user));
	config_complain(
		d, map,
		"proxy_command: '%%r' would give user '%s' to a shell, to which it is more than "
		"a name; write the command as a list of words",
		shown);
}
