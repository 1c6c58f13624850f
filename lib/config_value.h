/* SPDX-License-Identifier: MIT */
/*
 * The decoders of values: each gets the row of the schema (for ranges and words), the node and the
 * place to write to, and either fills that or complains about the node. Private to config_value.c,
 * the other config_*.c that are named here.
 */
#pragma once

#include "lib/config_read.h"

/* False after complaining. */
typedef bool value_fn(struct config_decoder *d, const struct schema_key *key,
		      const struct node *node, void *value);

/* Out of memory is a problem like any other, so that a reading never succeeds by half. False. */
bool value_no_memory(struct config_decoder *d, const struct node *node);
bool value_complain(struct config_decoder *d, const struct node *node, const struct err *err);

/* True for a single value that is there. */
bool value_is_text(struct config_decoder *d, const struct node *node);
/* Calls fn for node, or for each item when it is a list. */
bool value_each(struct config_decoder *d, const struct schema_key *key, const struct node *node,
		void *value, value_fn *fn);
bool value_set_text(struct config_decoder *d, const struct node *node, char **to, const char *text);

/* config_forward.c */
value_fn value_host;
value_fn value_address;
value_fn value_listen; /* value is the whole struct config_forward_draft */
value_fn value_target; /* the same */
value_fn value_forwards;

/* config_login.c */
value_fn value_paths;
value_fn value_files;
value_fn value_identities;
value_fn value_secret;
value_fn value_agent;
value_fn value_host_key;

/* config_way.c */
value_fn value_jumps;
value_fn value_host_name;
value_fn value_host_alias;
value_fn value_qos;
value_fn value_algorithms;
value_fn value_rekey; /* value is the whole connection_settings */
value_fn value_ssh_config;

/* config_proxy.c */
value_fn value_proxy; /* "none" is written as an empty text */
value_fn value_command; /* the same, as the only word */

/* config_option.c */
value_fn value_allow;
value_fn value_credential;
value_fn value_mode;
/* Whether what was written in the mapping at node goes together; false after complaining. */
bool value_options_fit(struct config_decoder *d, const struct node *node,
		       const struct config_forward_draft *draft);
