/* SPDX-License-Identifier: MIT */
/*
 * The values that say who we are and who the server is: files, credentials, agents, host keys.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/config_value.h"
#include "lib/host_key.h"
#include "lib/str.h"
#include "lib/util.h"

static bool is_credential(const char *text)
{
	return strncmp(text, CREDENTIAL_PREFIX, strlen(CREDENTIAL_PREFIX)) == 0;
}

/* "credential:NAME": NAME is a file's in $CREDENTIALS_DIRECTORY, and never leads out of it. */
static bool check_credential(struct config_decoder *d, const struct node *node)
{
	const char *name = node->text + strlen(CREDENTIAL_PREFIX);

	if (config_name_is_valid(name) && name[0] != '.')
		return true;
	config_complain(d, node,
			"what follows '" CREDENTIAL_PREFIX
			"' is the name of a credential: up to %d "
			"letters, digits, '.', '_' and '-'",
			CONFIG_NAME_MAX);
	return false;
}

/* An absolute path or a credential, as text; NULL after complaining. The caller frees. */
static char *expand_file(struct config_decoder *d, const struct node *node)
{
	char *copy;

	if (!value_is_text(d, node))
		return NULL;
	if (!is_credential(node->text))
		return config_expand_path(d, node, node->text);
	if (!check_credential(d, node))
		return NULL;
	copy = strdup(node->text);
	if (!copy)
		value_no_memory(d, node);
	return copy;
}

static bool add_text(struct config_decoder *d, const struct node *node, struct strv *to,
		     const char *text)
{
	return strv_add(to, text) == 0 ? true : value_no_memory(d, node);
}

static bool add_path(struct config_decoder *d, const struct schema_key *key,
		     const struct node *node, void *value)
{
	CLEANUP(freep) char *path = NULL;

	if (value_is_text(d, node))
		path = config_expand_path(d, node, node->text);
	return path && add_text(d, node, value, path);
}

bool value_paths(struct config_decoder *d, const struct schema_key *key, const struct node *node,
		 void *value)
{
	return value_each(d, key, node, value, add_path);
}

static bool add_file(struct config_decoder *d, const struct schema_key *key,
		     const struct node *node, void *value)
{
	CLEANUP(freep) char *file = expand_file(d, node);

	return file && add_text(d, node, value, file);
}

bool value_files(struct config_decoder *d, const struct schema_key *key, const struct node *node,
		 void *value)
{
	return value_each(d, key, node, value, add_file);
}

static bool add_identity(struct config_decoder *d, const struct schema_key *key,
			 const struct node *node, void *value)
{
	if (node->kind == NODE_SCALAR && streq(node->text, IDENTITY_AGENT))
		return add_text(d, node, value, IDENTITY_AGENT);
	return add_file(d, key, node, value);
}

bool value_identities(struct config_decoder *d, const struct schema_key *key,
		      const struct node *node, void *value)
{
	return value_each(d, key, node, value, add_identity);
}

/* What does not look like a place at first sight may be the secret itself. */
static bool is_place(const char *text)
{
	static const char *const beginnings[] = { CREDENTIAL_PREFIX, "/", "~/", "./", "../" };

	for (size_t i = 0; i < ARRAY_SIZE(beginnings); i++) {
		if (strncmp(text, beginnings[i], strlen(beginnings[i])) == 0)
			return true;
	}
	return false;
}

/* The text of one that is refused gets into no message, and so into no log. */
bool value_secret(struct config_decoder *d, const struct schema_key *key, const struct node *node,
		  void *value)
{
	CLEANUP(freep) char *file = NULL;

	if (!value_is_text(d, node))
		return false;
	if (!is_place(node->text)) {
		config_complain(
			d, node,
			"the secret itself does not stand here, but in a file of its own: write "
			"credential:NAME, or a path that begins with '/', '~/' or './'");
		return false;
	}
	file = expand_file(d, node);
	return file && value_set_text(d, node, value, file);
}

bool value_agent(struct config_decoder *d, const struct schema_key *key, const struct node *node,
		 void *value)
{
	CLEANUP(freep) char *path = NULL;

	if (!value_is_text(d, node))
		return false;
	if (streq(node->text, "none") || streq(node->text, "SSH_AUTH_SOCK"))
		return value_set_text(d, node, value, node->text);
	path = config_expand_path(d, node, node->text);
	return path && value_set_text(d, node, value, path);
}

/* ---- host keys ---- */

static bool add_pin(struct config_decoder *d, const struct schema_key *key, const struct node *node,
		    void *value)
{
	CLEANUP(freep) char *pin = NULL;
	struct err err;

	if (!value_is_text(d, node))
		return false;
	pin = host_key_read_pin(node->text, &err);
	return pin ? add_text(d, node, value, pin) : value_complain(d, node, &err);
}

static bool add_pins(struct config_decoder *d, const struct schema_key *key,
		     const struct node *node, void *value)
{
	const struct node *pin;

	if (node->kind != NODE_MAP)
		return add_pin(d, key, node, value);
	pin = node_find(node, "pin");
	if (!pin || node_map_count(node) != 1) {
		config_complain(d, node, "write 'pin: SHA256:...' and nothing else here");
		return false;
	}
	return value_each(d, key, pin, value, add_pin);
}

/* A single word is no key: whoever wrote it meant what ssh has for StrictHostKeyChecking. */
static bool is_word(const struct node *node)
{
	return node->kind == NODE_SCALAR && !node_is_null(node) && *node->text &&
	       !strpbrk(node->text, " \t:");
}

static bool complain_of_word(struct config_decoder *d, const struct node *node)
{
	char shown[80];

	config_complain(d, node,
			"'%s' is not strict, accept-new, { pin: SHA256:... } or a public key",
			str_escape(shown, sizeof(shown), node->text, strlen(node->text)));
	return false;
}

bool value_host_key(struct config_decoder *d, const struct schema_key *key, const struct node *node,
		    void *value)
{
	if (node->kind == NODE_SCALAR &&
	    (streq(node->text, "strict") || streq(node->text, "accept-new")))
		return add_text(d, node, value, node->text);
	if (is_word(node))
		return complain_of_word(d, node);
	return value_each(d, key, node, value, add_pins);
}
