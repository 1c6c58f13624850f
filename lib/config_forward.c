/* SPDX-License-Identifier: MIT */
/*
 * The values that say where things are: the host of a tunnel, the address of a server, and forwards,
 * which are a text as after `ssh -L` or the same in parts.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/config_value.h"
#include "lib/forward_spec.h"
#include "lib/util.h"

/* The host of a tunnel: `value` is the whole draft. */
bool value_host(struct config_decoder *d, const struct schema_key *key, const struct node *node,
		void *value)
{
	struct config_tunnel_draft *draft = value;
	struct err err;

	if (!value_is_text(d, node))
		return false;
	if (endpoint_parse(node->text, &draft->endpoint, &err) < 0)
		return value_complain(d, node, &err);
	return value_set_text(d, node, &draft->host, node->text);
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

bool value_listen(struct config_decoder *d, const struct schema_key *key, const struct node *node,
		  void *value)
{
	struct config_forward_end *end = value;
	struct err err;

	if (!value_is_text(d, node))
		return false;
	if (forward_listen_parse(node->text, end->host, &end->port, &err) < 0)
		return value_complain(d, node, &err);
	return true;
}

bool value_target(struct config_decoder *d, const struct schema_key *key, const struct node *node,
		  void *value)
{
	struct config_forward_end *end = value;
	struct err err;

	if (!value_is_text(d, node))
		return false;
	if (forward_target_parse(node->text, end->host, &end->port, &err) < 0)
		return value_complain(d, node, &err);
	return true;
}

/* The next item of a list of forwards, empty; NULL: no memory. */
static struct config_forward *grow_forwards(struct config_forwards *forwards)
{
	struct config_forward *items;

	items = realloc(forwards->items, (forwards->count + 1) * sizeof(*items));
	if (!items)
		return NULL;
	forwards->items = items;
	items[forwards->count] = (struct config_forward){ 0 };
	return &items[forwards->count++];
}

/* Takes draft's name over. */
static bool add_forward(struct config_decoder *d, const struct node *node,
			struct config_forwards *to, struct config_forward_draft *draft)
{
	struct config_forward *forward = grow_forwards(to);

	if (!forward)
		return value_no_memory(d, node);
	forward->type = FORWARD_LOCAL;
	forward->port_count = 1;
	forward->name = TAKE(draft->name);
	forward->listen.port = draft->listen.port;
	forward->target.port = draft->target.port;
	return value_set_text(d, node, &forward->listen.host, draft->listen.host) &&
	       value_set_text(d, node, &forward->target.host, draft->target.host);
}

static bool decode_forward(struct config_decoder *d, const struct schema_key *key,
			   const struct node *node, void *value)
{
	struct config_forward_draft draft = { 0 };
	struct forward_spec spec;
	struct err err;
	bool good;

	if (node->kind == NODE_MAP) {
		good = config_decode(d, key->inner, node, &draft, NULL) &&
		       add_forward(d, node, value, &draft);
		free(draft.name);
		return good;
	}
	if (!value_is_text(d, node))
		return false;
	if (forward_spec_parse(node->text, &spec, &err) < 0)
		return value_complain(d, node, &err);
	strcpy(draft.listen.host, spec.listen_host);
	strcpy(draft.target.host, spec.target_host);
	draft.listen.port = spec.listen_port;
	draft.target.port = spec.target_port;
	return add_forward(d, node, value, &draft);
}

bool value_forwards(struct config_decoder *d, const struct schema_key *key, const struct node *node,
		    void *value)
{
	return value_each(d, key, node, value, decode_forward);
}
