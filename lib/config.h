/* SPDX-License-Identifier: MIT */
/*
 * What a configuration means once it is read: every default filled in, every path absolute, every
 * host name replaced by the entry it names. Nobody who uses a struct config has to know where a
 * value was written. The tree it comes from may be a YAML file or JSON from the control socket; the
 * decoder (config.c) is the same and walks the schema table (schema.c).
 *
 * The strings belong to the struct they stand in.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/util.h"

struct node;

enum { CONFIG_NAME_MAX = 64 }; /* bytes of a tunnel's, host's, forward's name and of a tag */

enum forward_type {
	FORWARD_LOCAL, /* ssh -L */
	FORWARD_TYPE_COUNT
};

enum start_mode { START_ALWAYS, START_MANUAL, START_MODE_COUNT };

struct config_forward {
	char *name; /* unique within the tunnel; given, or derived: "local:127.0.0.1:5432" */
	enum forward_type type;
	char *listen_host; /* address or name; "*" is every address; "localhost" binds both families
			    */
	uint16_t listen_port;
	char *target_host; /* resolved by the server */
	uint16_t target_port;
};

/* How to reach a server and who to be there. A change of any of these needs a new SSH session. */
struct connection_settings {
	char *host; /* name or address to dial and to look up in known_hosts */
	uint16_t port;
	char *user;
	struct strv identities; /* absolute paths of private keys, tried in order; never empty */
	bool identities_implied; /* the default list: missing files are skipped, not an error */
	struct strv known_hosts; /* absolute paths; missing files count as empty */
	char *ciphers; /* OpenSSH list in order of preference; NULL: by CPU */
};

/* Applied to a living session without interrupting it. */
struct upkeep_settings {
	unsigned keepalive_interval_ms; /* 0: off */
	unsigned keepalive_count;
	unsigned reconnect_min_ms, reconnect_max_ms, reconnect_stable_ms;
	unsigned connect_timeout_ms; /* from the start of an attempt to `up` */
	unsigned hold_ms; /* how long clients may wait in the backlog while there is no session */
};

struct config_tunnel {
	char *name;
	char *host; /* as written: "internal" or "me@work.example.com:2222"; what lists show */
	struct connection_settings connection;
	struct upkeep_settings upkeep;
	enum start_mode start;
	struct strv tags;
	struct config_forward *forwards;
	size_t forward_count;
	char *source; /* the file it stands in (absolute), or "added" */
	unsigned line; /* in source; 0 for "added" */
};

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG, LOG_LEVEL_COUNT };

struct daemon_settings {
	unsigned workers; /* 0: auto, min(CPUs, 4) */
	enum log_level log_level;
};

struct config_base;

struct config {
	struct daemon_settings daemon;
	struct config_tunnel **tunnels; /* sorted by name */
	size_t tunnel_count;
	struct config_base *base; /* for config_add_tunnel(); NULL: built by hand */
};

/* One mistake in a configuration. */
struct config_problem {
	char *file; /* NULL: not from a file (a request on the control socket) */
	unsigned line, column;
	char *message; /* one line */
};

/* All mistakes of one reading, in the order of the text. */
struct config_problems {
	struct config_problem *items;
	size_t count;
};

void config_problems_fini(struct config_problems *problems);
/* "FILE:LINE:COLUMN: message" as a person reads it; the caller frees. */
char *config_problem_text(const struct config_problem *problem);

/* Where values that nobody wrote come from. The pointers are borrowed. */
struct config_context {
	bool system; /* the system instance: identity is required, /etc paths */
	const char *home; /* of the user the daemon runs as; for ~ and default identities */
	const char *user; /* login name of that user: the default `user` */
};

/* Reads FILE and everything it includes; a NULL path is an empty file, for an instance that has none
 * yet. Blocks on disk: call it at start or on an offload thread.
 * NULL when there is any mistake; then problems holds at least one. */
struct config *config_load(const char *path, const struct config_context *context,
			   struct config_problems *problems);

/* Adds a tunnel described by a tree (JSON from `tunctl add` or the state directory), decoded
 * against the `hosts` and `defaults` config was loaded with. A name that exists already is a
 * problem. Returns the new tunnel, owned by config, or NULL with problems filled. */
struct config_tunnel *config_add_tunnel(struct config *config, const char *name,
					const struct node *tree, struct config_problems *problems);

struct config_tunnel *config_find(const struct config *config, const char *name);
void config_remove(struct config *config, const char *name);
void config_free(struct config *config);
void config_tunnel_free(struct config_tunnel *tunnel);
void config_forward_fini(struct config_forward *forward);
void connection_settings_fini(struct connection_settings *connection);

bool config_name_is_valid(const char *name); /* [A-Za-z0-9._-]{1,64} */

const char *forward_type_name(enum forward_type type);
int forward_type_from_name(const char *name); /* -1: none */
const char *start_mode_name(enum start_mode mode);
int start_mode_from_name(const char *name);
const char *log_level_name(enum log_level level);
int log_level_from_name(const char *name);
