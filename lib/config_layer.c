/* SPDX-License-Identifier: MIT */
/*
 * Puts layers on top of each other, key by key as the schema table lists them: for each key the
 * last layer that has it is copied, once.
 */
#include "lib/config_layer.h"

#include <stdlib.h>
#include <string.h>

#include "lib/config_ssh.h"
#include "lib/schema.h"

/* Where the keys with a value in struct config_layer stand. */
#define LAYER_PLACES                                                                               \
	(PLACE_BIT(PLACE_DEFAULTS) | PLACE_BIT(PLACE_KEEPALIVE) | PLACE_BIT(PLACE_RECONNECT))

static int copy_text(char **to, const char *from)
{
	*to = strdup(from);
	return *to ? 0 : -1;
}

/* Only what a layer may hold. */
static int copy_value(const struct schema_key *key, const struct config_layer *from,
		      struct config_layer *to)
{
	const void *source = (const char *)from + key->offset;
	void *target = (char *)to + key->offset;

	switch (key->type) {
	case SCHEMA_DURATION:
	case SCHEMA_INTEGER:
	case SCHEMA_BOOLEAN:
	case SCHEMA_WORD:
	case SCHEMA_QOS:
		*(unsigned *)target = *(const unsigned *)source;
		return 0;
	case SCHEMA_PATHS:
	case SCHEMA_FILES:
	case SCHEMA_IDENTITIES:
	case SCHEMA_HOST_KEY:
	case SCHEMA_COMMAND:
	case SCHEMA_JUMPS:
		return strv_copy(target, source);
	case SCHEMA_REKEY:
		to->connection.rekey_kib = from->connection.rekey_kib;
		to->connection.rekey_ms = from->connection.rekey_ms;
		return 0;
	default:
		return copy_text(target, *(char *const *)source);
	}
}

int config_layer_compose(const struct config_layer *const *layers, size_t count,
			 struct config_layer *ret)
{
	*ret = (struct config_layer){ 0 };
	for (size_t i = 0; i < schema_key_count; i++) {
		const struct schema_key *key = &schema_keys[i];
		size_t layer = count;

		if (!(key->places & LAYER_PLACES) || key->type == SCHEMA_MAP)
			continue;
		while (layer > 0 && !schema_set_has(&layers[layer - 1]->set, i))
			layer--;
		if (layer == 0)
			continue;
		if (copy_value(key, layers[layer - 1], ret) < 0) {
			config_layer_fini(ret);
			return -1;
		}
		schema_set_add(&ret->set, i);
	}
	return 0;
}

void config_layer_fini(struct config_layer *layer)
{
	connection_settings_fini(&layer->connection);
	strv_fini(&layer->jump);
	*layer = (struct config_layer){ 0 };
}

void config_tunnel_draft_fini(struct config_tunnel_draft *draft)
{
	config_layer_fini(&draft->layer);
	strv_fini(&draft->hosts);
	strv_fini(&draft->tags);
	for (size_t i = 0; i < draft->forwards.count; i++)
		config_forward_fini(&draft->forwards.items[i]);
	free(draft->forwards.items);
	*draft = (struct config_tunnel_draft){ 0 };
}

void config_base_free(struct config_base *base)
{
	if (!base)
		return;
	for (size_t i = 0; i < base->host_count; i++) {
		config_layer_fini(&base->hosts[i].layer);
		free(base->hosts[i].name);
	}
	free(base->hosts);
	config_tunnel_draft_fini(&base->builtin);
	config_layer_fini(&base->defaults);
	config_ssh_free(base->ssh);
	free(base->home);
	free(base);
}
