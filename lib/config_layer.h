/* SPDX-License-Identifier: MIT */
/*
 * What the decoder writes into while it reads, before layers are put on top of each other. The
 * offsets in the schema table point into these structs. The connection keys stand in three places
 * (defaults, a host, a tunnel) at the same offset, because struct config_layer always comes first.
 * Private to schema.c and config*.c.
 */
#pragma once

#include <stdint.h>

#include "lib/config.h"
#include "lib/endpoint.h"
#include "lib/forward_spec.h"
#include "lib/schema.h"

/* The connection keys as written in one place. */
struct config_layer {
	struct schema_set written; /* rows of schema_keys: who wrote it, right or wrong */
	struct schema_set set; /* the same for those whose value is good */
	struct connection_settings connection;
	struct upkeep_settings upkeep;
	struct strv jump; /* as written; one empty text: none */
};

/* An entry of `hosts`. Its address is layer.connection.host and .port. */
struct config_host {
	struct config_layer layer;
	char *name;
};

/* Texts to be read as file patterns, where they stand. */
struct config_patterns {
	const struct node **items;
	size_t count;
};

struct config_forwards {
	struct config_forward *items;
	size_t count;
};

/* A forward as written. */
struct config_forward_draft {
	struct config_forward forward; /* all but its ends; what was not written is 0 */
	struct forward_spec spec; /* its ends, paths absolute */
	bool has_target; /* written, right or wrong */
};

/* Where forwards come from besides what is written. */
enum forwards_from { FORWARDS_WRITTEN, FORWARDS_FROM_SSH_CONFIG, FORWARDS_FROM_COUNT };

/* A tunnel as written. */
struct config_tunnel_draft {
	struct config_layer layer;
	struct strv hosts; /* `host` as written */
	enum start_mode start;
	enum prefer_mode prefer;
	unsigned failback_ms;
	unsigned forwards_from; /* enum forwards_from */
	struct strv tags;
	struct config_forwards forwards;
};

/* What `hosts` and `defaults` said, kept for tunnels that are added later. */
struct config_base {
	bool system;
	char *home;
	struct config_tunnel_draft builtin; /* the table's fallbacks and the login name */
	struct config_layer defaults;
	struct config_host *hosts; /* sorted by name */
	size_t host_count;
	struct config_ssh *ssh; /* hosts that are not there */
	bool has_circles; /* of jumps, which has been said */
	size_t bytes; /* of text in all tunnels so far: what one file can multiply is bounded */
};

/* One key and what stands under it: an entry of `hosts` or `tunnels`. */
struct config_entry {
	const struct node *name, *value;
	size_t order; /* of reading */
};

struct config_entries {
	struct config_entry *items;
	size_t count;
};

void config_layer_fini(struct config_layer *layer);
/* Puts count layers on top of each other, the last one wins; ret owns copies. -1: no memory. */
int config_layer_compose(const struct config_layer *const *layers, size_t count,
			 struct config_layer *ret);
void config_base_free(struct config_base *base);
void config_tunnel_draft_fini(struct config_tunnel_draft *draft);
