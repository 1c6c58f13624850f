/* SPDX-License-Identifier: MIT */
/*
 * The values that say where things are: the host of a tunnel, the address of a server, and forwards,
 * which are a text as after `ssh -L`, `-R` or `-D`, or the same in parts.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/config_value.h"
#include "lib/forward_spec.h"
#include "lib/util.h"

enum { SOCKET_MODE = 0600 };

static bool add_host(struct config_decoder *d, const struct schema_key *key,
		     const struct node *node, void *value)
{
	struct endpoint endpoint;
	struct err err;

	if (!value_is_text(d, node))
		return false;
	if (endpoint_parse(node->text, &endpoint, &err) < 0)
		return value_complain(d, node, &err);
	return strv_add(value, node->text) == 0 ? true : value_no_memory(d, node);
}

bool value_host(struct config_decoder *d, const struct schema_key *key, const struct node *node,
		void *value)
{
	return value_each(d, key, node, value, add_host);
}

bool value_address(struct config_decoder *d, const struct schema_key *key, const struct node *node,
		   void *value)
{
	struct connection_settings *connection = value;
	struct endpoint endpoint;
	struct err err;

	if (!value_is_text(d, node))
		return false;
	if (endpoint_parse(node->text, &endpoint, &err) < 0)
		return value_complain(d, node, &err);
	if (endpoint.user[0]) {
		config_complain(d, node,
				"the user does not belong into the address; write 'user: %s'",
				endpoint.user);
		return false;
	}
	connection->port = endpoint.port;
	return value_set_text(d, node, &connection->host, endpoint.host);
}

/* Makes a path on this machine absolute. */
static bool settle_path(struct config_decoder *d, const struct node *node, struct forward_end *end)
{
	CLEANUP(freep) char *path = NULL;

	if (end->kind != END_UNIX)
		return true;
	path = config_expand_path(d, node, end->host);
	if (!path)
		return false;
	if (strlen(path) > FORWARD_PATH_MAX) {
		config_complain(
			d, node,
			"'%.60s...' is too long for a Unix socket; a path can have %d bytes", path,
			FORWARD_PATH_MAX);
		return false;
	}
	strcpy(end->host, path);
	return true;
}

bool value_listen(struct config_decoder *d, const struct schema_key *key, const struct node *node,
		  void *value)
{
	struct config_forward_draft *draft = value;
	enum forward_type type = draft->forward.type;
	struct err err;

	if (!value_is_text(d, node))
		return false;
	if (forward_listen_parse(node->text, type, &draft->spec.listen, &err) < 0)
		return value_complain(d, node, &err);
	return type == FORWARD_REMOTE || settle_path(d, node, &draft->spec.listen);
}

bool value_target(struct config_decoder *d, const struct schema_key *key, const struct node *node,
		  void *value)
{
	struct config_forward_draft *draft = value;
	enum forward_type type = draft->forward.type;
	struct err err;

	draft->has_target = true;
	if (type == FORWARD_DYNAMIC) {
		config_complain(
			d, node,
			"a dynamic forward has none: each client says where it wants to go; "
			"for one target write it under 'local'");
		return false;
	}
	if (!value_is_text(d, node))
		return false;
	if (forward_target_parse(node->text, type, &draft->spec.target, &err) < 0)
		return value_complain(d, node, &err);
	return type != FORWARD_REMOTE || settle_path(d, node, &draft->spec.target);
}

static bool decode_map(struct config_decoder *d, const struct schema_key *key,
		       const struct node *node, struct config_forward_draft *draft)
{
	struct err err;

	draft->spec.target = (struct forward_end){ .kind = END_PROXY, .port_count = 1 };
	if (!config_decode(d, key->inner, node, draft, NULL))
		return false;
	if (draft->forward.type == FORWARD_LOCAL && !draft->has_target) {
		config_complain(d, node, "'target' is missing (%s)",
				schema_find(key->inner, "target")->help);
		return false;
	}
	if (forward_ends_check(&draft->spec.listen, &draft->spec.target, &err) < 0)
		return value_complain(d, node, &err);
	return true;
}

static bool decode_text(struct config_decoder *d, const struct node *node,
			struct config_forward_draft *draft)
{
	enum forward_type type = draft->forward.type;
	struct err err;

	if (!value_is_text(d, node))
		return false;
	if (forward_spec_parse(node->text, type, &draft->spec, &err) < 0)
		return value_complain(d, node, &err);
	/* The end that is here. */
	return settle_path(d, node,
			   type == FORWARD_REMOTE ? &draft->spec.target : &draft->spec.listen);
}

/* A place for one more at the end of the list; NULL: no memory. */
static struct config_forward *grow_forwards(struct config_forwards *forwards)
{
	struct config_forward *items;

	items = realloc(forwards->items, (forwards->count + 1) * sizeof(*items));
	if (items)
		forwards->items = items;
	return items ? &items[forwards->count] : NULL;
}

static bool make_end(struct config_end *to, const struct forward_end *from)
{
	to->kind = from->kind;
	to->port = from->port;
	to->host = from->kind == END_PROXY ? NULL : strdup(from->host);
	return to->host || from->kind == END_PROXY;
}

/* Moves draft to the end of the list. */
static bool add_forward(struct config_decoder *d, const struct node *node,
			struct config_forwards *to, struct config_forward_draft *draft)
{
	struct config_forward *forward = &draft->forward, *place = grow_forwards(to);

	if (!place || !make_end(&forward->listen, &draft->spec.listen) ||
	    !make_end(&forward->target, &draft->spec.target))
		return value_no_memory(d, node);
	forward->port_count = draft->spec.listen.port_count;
	if (forward->listen.kind == END_UNIX && forward->socket_mode == 0)
		forward->socket_mode = SOCKET_MODE;
	*place = *forward;
	*forward = (struct config_forward){ 0 };
	to->count++;
	return true;
}

static bool decode_forward(struct config_decoder *d, const struct schema_key *key,
			   const struct node *node, void *value)
{
	struct config_forward_draft draft = {
		.forward.type = (enum forward_type)forward_type_from_name(key->name),
	};
	bool good = node->kind == NODE_MAP ? decode_map(d, key, node, &draft)
					   : decode_text(d, node, &draft);

	good = good && value_options_fit(d, node, &draft) && add_forward(d, node, value, &draft);
	config_forward_fini(&draft.forward);
	return good;
}

bool value_forwards(struct config_decoder *d, const struct schema_key *key, const struct node *node,
		    void *value)
{
	return value_each(d, key, node, value, decode_forward);
}
