/* SPDX-License-Identifier: MIT */
/*
 * Puts layers on top of each other, key by key as the schema table lists them: for each key the
 * last layer that has it is copied, once.
 */
#include "lib/config_layer.h"

#include <stdlib.h>
#include <string.h>

#include "lib/schema.h"

/* Where the keys with a value in struct config_layer stand. */
#define LAYER_PLACES                                                                               \
	(PLACE_BIT(PLACE_DEFAULTS) | PLACE_BIT(PLACE_KEEPALIVE) | PLACE_BIT(PLACE_RECONNECT))

static int copy_value(const struct schema_key *key, const struct config_layer *from,
		      struct config_layer *to)
{
	const void *source = (const char *)from + key->offset;
	void *target = (char *)to + key->offset;

	switch (key->type) {
	case SCHEMA_DURATION:
	case SCHEMA_INTEGER:
	case SCHEMA_BOOLEAN:
		*(unsigned *)target = *(const unsigned *)source;
		return 0;
	case SCHEMA_PATHS:
		return strv_copy(target, source);
	default:
		*(char **)target = strdup(*(char *const *)source);
		return *(char **)target ? 0 : -1;
	}
}

int config_layer_compose(const struct config_layer *const *layers, size_t count,
			 struct config_layer *ret)
{
	*ret = (struct config_layer){ 0 };
	for (size_t i = 0; i < schema_key_count; i++) {
		const struct schema_key *key = &schema_keys[i];
		uint64_t bit = UINT64_C(1) << i;
		size_t layer = count;

		if (!(key->places & LAYER_PLACES) || key->type == SCHEMA_MAP)
			continue;
		while (layer > 0 && !(layers[layer - 1]->set & bit))
			layer--;
		if (layer == 0)
			continue;
		if (copy_value(key, layers[layer - 1], ret) < 0) {
			config_layer_fini(ret);
			return -1;
		}
		ret->set |= bit;
	}
	return 0;
}

static size_t text_bytes(const char *text)
{
	return text ? strlen(text) + 1 : 0;
}

static size_t strv_bytes(const struct strv *v)
{
	size_t bytes = v->count * sizeof(*v->items);

	for (size_t i = 0; i < v->count; i++)
		bytes += text_bytes(v->items[i]);
	return bytes;
}

size_t config_layer_bytes(const struct config_layer *layer)
{
	const struct connection_settings *c = &layer->connection;

	return text_bytes(c->host) + text_bytes(c->user) + text_bytes(c->ciphers) +
	       strv_bytes(&c->identities) + strv_bytes(&c->known_hosts);
}

void config_layer_fini(struct config_layer *layer)
{
	connection_settings_fini(&layer->connection);
	*layer = (struct config_layer){ 0 };
}

void config_tunnel_draft_fini(struct config_tunnel_draft *draft)
{
	config_layer_fini(&draft->layer);
	free(draft->host);
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
	free(base->home);
	free(base);
}
