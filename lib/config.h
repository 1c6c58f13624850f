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

#include "lib/capture.h"
#include "lib/connection.h"
#include "lib/err.h"
#include "lib/util.h"

struct node;

enum {
	CONFIG_PORTS_MAX = 1024, /* of a range */
	CONFIG_HOPS_MAX = 9, /* of a route: eight jumps and the server */
	CONFIG_ROUTES_MAX = 16, /* of a tunnel */
};
enum {
	CONFIG_END_TEXT_MAX = 288, /* what config_end_text() writes at most, with its NUL */
};
enum { CONFIG_NOTES_MAX = 256 };
enum { CONFIG_NAME_MAX = 64 }; /* bytes of a tunnel's, host's, forward's name and of a tag */

enum forward_type {
	FORWARD_LOCAL, /* ssh -L: listens here, leads to what the server can reach */
	FORWARD_REMOTE, /* ssh -R: listens on the server, leads to what we can reach */
	FORWARD_DYNAMIC, /* ssh -D: listens here, each client says where it wants to go */
	FORWARD_TYPE_COUNT
};

enum start_mode { START_ALWAYS, START_MANUAL, START_MODE_COUNT };

enum end_kind {
	END_TCP, /* host and port */
	END_UNIX, /* host is the absolute path of a socket */
	END_PROXY, /* a target only: every client names its own, by SOCKS or HTTP */
	END_KIND_COUNT
};

/* Where a forward begins or leads. */
struct config_end {
	enum end_kind kind;
	char *host; /* address or name; "*" (listen only) is every address; "localhost" (listen only)
		     * binds both families; a path; NULL for END_PROXY */
	uint16_t port; /* END_TCP; 0 only for a remote listen: the server chooses */
};

struct config_forward {
	char *name; /* unique within the tunnel; given, or derived: "local:127.0.0.1:5432" */
	enum forward_type type;
	struct config_end listen; /* of a remote forward: on the server */
	struct config_end
		target; /* of a local one: as the server sees it; of a remote one: as we do */
	uint16_t port_count; /* 1, or a range: listen.port + i leads to target.port + i */
	bool added; /* at run time, not written in a file */

	struct strv allow; /* END_PROXY: rules of lib/allow.h; empty: everything */
	char *user, *password; /* END_PROXY: NULL: nobody is asked who he is */
	unsigned max_connections; /* at once; 0: no limit of its own */
	unsigned idle_timeout_ms; /* a connection without a byte for so long is ended; 0: never */
	unsigned socket_mode; /* a Unix socket we listen on: permissions, 0600 */
	char *socket_group; /* its group; NULL: the daemon's */
};

/* Applied to a living session without interrupting it. */
struct upkeep_settings {
	unsigned keepalive_interval_ms; /* 0: off */
	unsigned keepalive_count;
	unsigned reconnect_min_ms, reconnect_max_ms, reconnect_stable_ms;
	unsigned connect_timeout_ms; /* from the start of an attempt to `up` */
	unsigned hold_ms; /* how long clients may wait in the backlog while there is no session */
	unsigned exit_on_forward_failure; /* 1: a forward that cannot be set up ends the attempt */
};

/* A server on the way. A change of its connection needs a new SSH session. */
struct config_hop {
	struct connection_settings connection;
	struct upkeep_settings upkeep; /* of a jump: keepalive and connect_timeout count */
};

/* One way to one server. */
struct config_route {
	char *host; /* as written: "internal" or "me@work.example.com:2222" */
	struct config_hop *hops; /* as they are reached: jumps first, the server last */
	size_t hop_count; /* at least 1 */
};

enum prefer_mode {
	PREFER_FIRST, /* the first of several servers, and back to it */
	PREFER_ANY, /* whichever works */
	PREFER_MODE_COUNT
};

struct config_tunnel {
	char *name;
	char *host; /* as written, several joined by ", "; what lists show */
	struct config_route *routes; /* best first */
	size_t route_count; /* at least 1 */
	enum prefer_mode prefer;
	unsigned failback_ms; /* how long until a better server is tried again; 0: never */
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
	struct strv
		notes; /* what OpenSSH's configuration says and tunneld cannot carry, when it was loaded */
	char *unread; /* OpenSSH's configuration, not read because ssh is missing; NULL: none */
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
	capture_fn *capture; /* to ask ssh about hosts; NULL: it is not asked */
	/* Asking ends when this descriptor can be read; the reading then fails (struct capture_limits). */
	bool has_leash;
	int leash_fd;
};

/* Reads FILE and everything it includes; a NULL path is an empty file, for an instance that has none
 * yet. Blocks on disk: call it at start or on an offload thread.
 * NULL when there is any mistake; then problems holds at least one. */
struct config *config_load(const char *path, const struct config_context *context,
			   struct config_problems *problems);

/* Adds a tunnel described by a tree (JSON from `tunctl add` or the state directory), decoded
 * against the `hosts` and `defaults` config was loaded with, of which it becomes a part, notes
 * included. A name that exists already is a problem. Returns the new tunnel, owned by config, or NULL with problems filled. */
struct config_tunnel *config_add_tunnel(struct config *config, const char *name,
					const struct node *tree, struct config_problems *problems);

/* The same in two halves, for a configuration that is in use. The first may ask ssh about hosts, and so
 * blocks; it changes nothing that anybody else looks at, but no other change may go on meanwhile.
 * ret_notes, which must be empty, becomes what ssh's configuration says in vain about its hosts. The second
 * takes the tunnel over; -1: no memory. */
struct config_tunnel *config_make_tunnel(const struct config *config, const char *name,
					 const struct node *tree, struct strv *ret_notes,
					 struct config_problems *problems);
int config_insert(struct config *config, struct config_tunnel *tunnel);

/* For forwards that come and go while a tunnel runs. tree is { local: ..., remote: ..., dynamic: ... }
 * as in a tunnel. Both return a copy of tunnel for config_replace(), or NULL with problems filled:
 * the first with those forwards as well (marked as added), the second without those that have the
 * type and the listen address of one in tree; only added ones, or any of a tunnel that is itself
 * added, can go. */
struct config_tunnel *config_with_forwards(const struct config *config,
					   const struct config_tunnel *tunnel,
					   const struct node *tree,
					   struct config_problems *problems);
struct config_tunnel *config_without_forwards(const struct config *config,
					      const struct config_tunnel *tunnel,
					      const struct node *tree,
					      struct config_problems *problems);
/* Puts tunnel where the one with its name is, which becomes the caller's. */
struct config_tunnel *config_replace(struct config *config, struct config_tunnel *tunnel);

struct config_tunnel *config_find(const struct config *config, const char *name);
void config_remove(struct config *config, const char *name);
void config_free(struct config *config);
void config_tunnel_free(struct config_tunnel *tunnel);
void config_route_fini(struct config_route *route);
int config_route_copy(struct config_route *to, const struct config_route *from); /* -1: no memory */
/* Of the server that a route leads to. */
const struct connection_settings *config_server(const struct config_tunnel *tunnel, size_t route);
/* Of any server on its way; NULL: there is no such hop. */
const struct connection_settings *config_hop_settings(const struct config_tunnel *tunnel,
						      size_t route, size_t hop);
/* The same for whoever may have another configuration in mind: NULL too when the server there is not
 * the one that connection_name() calls so. */
const struct connection_settings *config_named_hop(const struct config_tunnel *tunnel, size_t route,
						   size_t hop, const char *name);
void config_forward_fini(struct config_forward *forward);

bool config_name_is_valid(const char *name); /* [A-Za-z0-9._-]{1,64} */

const char *forward_type_name(enum forward_type type);
int forward_type_from_name(const char *name); /* -1: none */
const char *start_mode_name(enum start_mode mode);
const char *prefer_mode_name(enum prefer_mode mode);
int prefer_mode_from_name(const char *name);
const char *end_kind_name(enum end_kind kind); /* "tcp", "unix", "proxy" */
int end_kind_from_name(const char *name);
bool config_end_equal(const struct config_end *a, const struct config_end *b);
/* "localhost:8000-8010", "[::1]:22", "/run/x.sock"; "any" for END_PROXY. Returns out. */
char *config_end_text(char *out, size_t size, const struct config_end *end, uint16_t port_count);
int start_mode_from_name(const char *name);
const char *log_level_name(enum log_level level);
int log_level_from_name(const char *name);
