/* SPDX-License-Identifier: MIT */
/*
 * The steps from files to a struct config: config_file.c brings bytes and names, config_decode.c
 * turns a tree into the structs of config_layer.h by the schema table, config_build.c puts the
 * layers on top of each other, config_load.c drives. Private to config*.c and schema.c.
 */
#pragma once

#include "lib/config_layer.h"
#include "lib/config_problem.h"
#include "lib/node.h"
#include "lib/schema.h"

enum {
	CONFIG_FILES_MAX = 1024,
	CONFIG_PATTERNS_MAX = 256, /* of `include` in one file */
	CONFIG_INCLUDE_DEPTH_MAX = 8,
	CONFIG_BYTES_MAX = 8 * 1024 * 1024, /* of all files together */
	CONFIG_TEXT_MAX = 64 * 1024 * 1024, /* of text in all tunnels: lists are inherited */
	CONFIG_PATH_MAX = 1024, /* bytes */
	CONFIG_TRAIL_MAX = 8,
	CONFIG_FORWARDS_MAX = 4096, /* of one tunnel, with those added later */
};

/* Where in the document the decoder is, and whom to tell. */
struct config_decoder {
	struct problem_sink *problems;
	const char *home; /* for ~/ */
	const char *trail[CONFIG_TRAIL_MAX]; /* the keys around, outermost first */
	unsigned depth; /* of trail */
	const struct strv *exposed; /* files others can read; NULL: there are no files */
};

/* What the files said, before hosts and tunnels are decoded. */
struct config_reading {
	struct config_decoder decoder;
	struct daemon_settings daemon;
	char *ssh_config; /* yes, no or a path; NULL: not written */
	struct config_layer defaults;
	const struct node *defaults_map; /* where they stand; NULL: nowhere */
	struct config_entries hosts, tunnels;
	struct config_patterns patterns; /* of the file being read */
	const struct node *seen[SCHEMA_KEYS_MAX]; /* top-level keys so far, in all files */
};

/* config_decode.c */

/* Decodes map by the rows of place into base. seen (SCHEMA_KEYS_MAX, may be NULL) remembers where
 * keys stood. False: problems were added. */
bool config_decode(struct config_decoder *d, enum schema_place place, const struct node *map,
		   void *base, const struct node **seen);
/* Decodes what the table says about keys nobody wrote. What is in a home nobody knows is left out. */
bool config_decode_fallbacks(struct config_decoder *d, enum schema_place place, bool system,
			     void *base);
/* Adds a problem with the trail before it. */
void config_complain(struct config_decoder *d, const struct node *at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void config_trail_push(struct config_decoder *d, const char *key);
void config_trail_pop(struct config_decoder *d);
/* "line 12", or "FILE:12" when it is in another file than the one at `from`. */
char *config_place_text(const struct node *place, const struct node *from, char *out, size_t size);

/* config_value.c: a decoder for each type of value. Returns false after complaining. */
bool config_decode_value(struct config_decoder *d, const struct schema_key *key,
			 const struct node *node, void *value);
/* An absolute path from text, which stands at node; NULL after complaining. The caller frees. */
char *config_expand_path(struct config_decoder *d, const struct node *node, const char *text);

/* config_file.c */

/* The text of a regular file up to bytes_max, never blocking on what is none; *ret_id tells files
 * apart whatever they are called. */
struct config_file_id {
	uint64_t device, inode;
	bool exposed; /* not a name: whether others can read it */
};
char *config_file_read(const char *path, size_t bytes_max, size_t *ret_length,
		       struct config_file_id *ret_id, struct err *err);
/* The files that match pattern, sorted. Without wildcards that is the pattern itself. */
int config_file_match(const char *pattern, struct strv *ret, struct err *err);

/* config_build.c */

/* The layers under everything else; ssh_config as in struct config_reading. NULL: no memory. */
struct config_base *config_base_new(const struct config_context *context, struct config_decoder *d,
				    const char *ssh_config);
/* Moves the defaults and the decoded hosts of r into base. */
void config_build_hosts(struct config_base *base, struct config_reading *r);
/* The tunnel that map describes; NULL: it has mistakes. */
struct config_tunnel *config_build_tunnel(struct config_base *base, struct config_decoder *d,
					  const struct node *name, const struct node *map);
/* config_tunnels.c */

/* All that r has decoded, into config. */
void config_build_tunnels(struct config *config, struct config_reading *r);

/* config_route.c */

/* The entry of `hosts`; NULL: there is none. */
const struct config_host *config_find_host(const struct config_base *base, const char *name);

/* The way from here to a server, host as written in a tunnel that map describes. -1: no memory; mistakes
 * are problems, and then ret may be incomplete. */
int config_build_route(struct config_base *base, struct config_decoder *d,
		       const struct config_layer *tunnel, const char *host, const struct node *map,
		       struct config_route *ret);
/* Complains about hosts that are reached through each other; entries are what they were built from. */
void config_check_circles(struct config_base *base, struct config_decoder *d,
			  const struct config_entries *entries);

/* Names the forwards nobody named after where they listen, and complains about names used twice; map
 * is what they were decoded from (NULL: nothing with lines). -1: no memory. */
int config_name_forwards(struct config_decoder *d, struct config_forward *forwards, size_t count,
			 const struct node *map);
/* Sorts entries by name, complains about bad names and duplicates, and leaves the good ones. */
void config_sort_entries(struct config_entries *entries, struct config_decoder *d);

/* config_proxy.c */

/* Whether others can read the file that node stands in. */
bool config_is_exposed(const struct config_decoder *d, const struct node *node);
/* Complains about keys of one place of which each says how the server is reached. */
void config_check_way(struct config_decoder *d, const struct node *map);
/* Of proxy and proxy_command the one in the nearest layer is left in c, which was composed of them. */
void config_settle_way(const struct config_layer *const *layers, size_t count,
		       struct connection_settings *c);
/* Complains about a user who must not be given to a shell; map is where that is shown. */
void config_check_command(struct config_decoder *d, const struct connection_settings *c,
			  const struct node *map);

/* config_listen.c: which forward listens where. */
struct config_listen {
	const struct config_forward *forward;
	const char *tunnel; /* its name; borrowed like the rest */
	const struct node *at; /* where it was written */
	size_t order; /* of reading */
};

struct config_listens {
	struct config_listen *items;
	size_t count, capacity;
};

/* Remembers the forwards of tunnel, which map describes; -1: no memory. */
int config_listens_add(struct config_listens *listens, const struct config_tunnel *tunnel,
		       const struct node *map, size_t order);
/* Complains about forwards that listen in the same place. */
void config_listens_check(struct config_listens *listens, struct config_decoder *d);
/* The same for the forwards of tunnel from the first-th on, which are about to join config; one of its
 * name there is to be replaced. */
void config_listens_check_one(const struct config *config, const struct config_tunnel *tunnel,
			      size_t first, struct config_decoder *d);
/* Where the index-th forward of the tunnel that map describes stands. */
const struct node *config_forward_node(const struct node *map, size_t index);
