/* SPDX-License-Identifier: MIT */
/*
 * What a forward written as a mapping may have besides its ends. Most options are about one kind of
 * forward only; on another they would be ignored, and who wrote `allow` there would believe in it, so
 * they are refused.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/allow.h"
#include "lib/config_value.h"
#include "lib/str.h"

enum { CREDENTIAL_MAX = 255 }; /* bytes: what SOCKS has room for (RFC 1929) */

static bool add_rule(struct config_decoder *d, const struct schema_key *key,
		     const struct node *node, void *value)
{
	struct err err;

	if (!value_is_text(d, node))
		return false;
	if (allow_check(node->text, &err) < 0)
		return value_complain(d, node, &err);
	return strv_add(value, node->text) == 0 ? true : value_no_memory(d, node);
}

bool value_allow(struct config_decoder *d, const struct schema_key *key, const struct node *node,
		 void *value)
{
	return value_each(d, key, node, value, add_rule);
}

/* The text itself never gets into a message: it may be a password. */
bool value_credential(struct config_decoder *d, const struct schema_key *key,
		      const struct node *node, void *value)
{
	size_t length;

	if (!value_is_text(d, node))
		return false;
	length = strlen(node->text);
	if (length == 0 || length > CREDENTIAL_MAX) {
		config_complain(d, node, "has %zu bytes; it can have 1 to %d", length,
				CREDENTIAL_MAX);
		return false;
	}
	for (const char *c = node->text; *c; c++) {
		if ((unsigned char)*c < ' ' || *c == 0x7f) {
			config_complain(d, node, "cannot contain control characters");
			return false;
		}
	}
	return value_set_text(d, node, value, node->text);
}

bool value_mode(struct config_decoder *d, const struct schema_key *key, const struct node *node,
		void *value)
{
	unsigned long mode;
	char shown[80];
	size_t digits;

	if (!value_is_text(d, node))
		return false;
	digits = strspn(node->text, "01234567");
	mode = digits == 3 || digits == 4 ? strtoul(node->text, NULL, 8) : 0;
	if (node->text[digits] != '\0' || mode == 0 || mode > 0777) {
		str_escape(shown, sizeof(shown), node->text, strlen(node->text));
		config_complain(d, node, "'%s' is not permissions in octal; write 0600 or 0660",
				shown);
		return false;
	}
	*(unsigned *)value = (unsigned)mode;
	return true;
}

/* ---- what goes together ---- */

static bool is_proxy(const struct config_forward_draft *draft)
{
	return draft->spec.target.kind == END_PROXY;
}

static bool is_socket_here(const struct config_forward_draft *draft)
{
	return draft->spec.listen.kind == END_UNIX;
}

static const struct {
	const char *key;
	bool (*fits)(const struct config_forward_draft *draft);
	const char *refusal;
} conditions[] = {
	{ "allow", is_proxy, "clients of this forward have no choice: it has one target" },
	{ "user", is_proxy, "nobody is asked for it: only forwards without a target ask" },
	{ "password", is_proxy, "nobody is asked for it: only forwards without a target ask" },
	{ "mode", is_socket_here, "is for a Unix socket; this forward listens on a port" },
	{ "group", is_socket_here, "is for a Unix socket; this forward listens on a port" },
};

static bool refuse_option(struct config_decoder *d, const struct node *at, const char *key,
			  const char *why)
{
	config_trail_push(d, key);
	config_complain(d, at, "%s", why);
	config_trail_pop(d);
	return false;
}

static bool check_credentials(struct config_decoder *d, const struct node *map,
			      const struct config_forward *forward)
{
	const struct node *user = node_find(map, "user"), *password = node_find(map, "password");
	char why[320];

	if (!user && !password)
		return true;
	if (!password)
		return refuse_option(d, user, "user", "comes with a 'password'");
	if (!user)
		return refuse_option(d, password, "password", "comes with a 'user'");
	if (forward->user && strchr(forward->user, ':'))
		return refuse_option(d, user, "user",
				     "cannot contain ':', which HTTP has between the two");
	if (!config_is_exposed(d, password))
		return true;
	snprintf(why, sizeof(why), "others can read it in this file; run chmod 600 %.240s",
		 password->file);
	return refuse_option(d, password, "password", why);
}

/* Whoever may log in at the server could otherwise reach all of this machine and its network. */
static bool check_allow(struct config_decoder *d, const struct node *node,
			const struct config_forward_draft *draft)
{
	char where[CONFIG_END_TEXT_MAX];
	struct config_end listen = {
		.host = (char *)draft->spec.listen.host,
		.port = draft->spec.listen.port,
	};

	if (draft->forward.type != FORWARD_REMOTE || !is_proxy(draft) ||
	    (node->kind == NODE_MAP && node_find(node, "allow")))
		return true;
	config_end_text(where, sizeof(where), &listen, 1);
	config_complain(d, node,
			"without a target the server's clients say where to go from here; write "
			"what they may reach: { listen: '%s', allow: [HOST:PORT] }, or allow: any",
			where);
	return false;
}

bool value_options_fit(struct config_decoder *d, const struct node *node,
		       const struct config_forward_draft *draft)
{
	bool good = check_allow(d, node, draft);

	if (node->kind != NODE_MAP)
		return good;
	for (size_t i = 0; i < ARRAY_SIZE(conditions); i++) {
		const struct node *at = node_find(node, conditions[i].key);

		if (at && !conditions[i].fits(draft))
			good = refuse_option(d, at, conditions[i].key, conditions[i].refusal);
	}
	return good && check_credentials(d, node, &draft->forward);
}
