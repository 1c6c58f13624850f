/* SPDX-License-Identifier: MIT */
/*
 * The configuration language as one table: for every key where it may stand, what it takes, what it
 * is when nobody writes it, and what it is for. The decoder walks this table, and the reference,
 * the JSON Schema and the messages are printed from it, so they cannot disagree.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where a key may stand. */
enum schema_place {
	PLACE_TOP,
	PLACE_DAEMON,
	PLACE_DEFAULTS,
	PLACE_HOST, /* an entry of `hosts` */
	PLACE_TUNNEL, /* an entry of `tunnels` */
	PLACE_FORWARD,
	PLACE_FORWARDS, /* a request about forwards: some keys of a tunnel */
	PLACE_KEEPALIVE,
	PLACE_RECONNECT,
	PLACE_COUNT
};

#define PLACE_BIT(place) (1u << (place))

enum schema_type {
	SCHEMA_MAP, /* a mapping with the keys of `inner` */
	SCHEMA_ENTRIES, /* a mapping from names to mappings with the keys of `inner` */
	SCHEMA_GLOBS, /* one or a list of file patterns */
	SCHEMA_PATHS, /* one or a list of paths */
	SCHEMA_FILES, /* the same, or credential:NAME */
	SCHEMA_IDENTITIES, /* the same, or agent */
	SCHEMA_SECRET, /* where a secret is: a path or credential:NAME */
	SCHEMA_AGENT, /* path of an agent's socket, none, or SSH_AUTH_SOCK */
	SCHEMA_DURATION, /* unsigned, milliseconds */
	SCHEMA_INTEGER, /* unsigned */
	SCHEMA_WORD, /* an enum: one of `words` */
	SCHEMA_NAME, /* [A-Za-z0-9._-]{1,64} */
	SCHEMA_NAMES, /* one or a list of them */
	SCHEMA_USER, /* a login name */
	SCHEMA_ALGORITHMS, /* an OpenSSH list */
	SCHEMA_REKEY, /* "1G 1h": value is the whole connection_settings */
	SCHEMA_HOST_KEY, /* strict, accept-new, or one or a list of pins */
	SCHEMA_HOST_NAME, /* a host name or address */
	SCHEMA_HOST_ALIAS, /* the same, or "[host]:port" as in known_hosts */
	SCHEMA_QOS, /* unsigned: names as in ssh_config */
	SCHEMA_PROXY, /* the URL of a proxy */
	SCHEMA_COMMAND, /* a list of words, or a line for the shell */
	SCHEMA_JUMPS, /* one or a list of servers, or none */
	SCHEMA_SSH_CONFIG, /* yes, no or a path */
	SCHEMA_HOST, /* one or a list of: [user@]host[:port], or a name from `hosts` */
	SCHEMA_ADDRESS, /* host[:port] */
	SCHEMA_BOOLEAN, /* unsigned, 1: yes */
	SCHEMA_FORWARDS, /* one or a list of: a text as after `ssh -L`, or a mapping; the key's name
			  * is the type */
	SCHEMA_LISTEN, /* [bind:]port, or a path; value is the whole forward */
	SCHEMA_TARGET, /* host:port, or a path; value is the whole forward */
	SCHEMA_ALLOW, /* one or a list of rules of lib/allow.h */
	SCHEMA_CREDENTIAL, /* what a proxy's client says: up to 255 bytes */
	SCHEMA_MODE, /* unsigned, permissions in octal */
	SCHEMA_TYPE_COUNT
};

/* The values of a SCHEMA_WORD, in the order of its enum. */
struct schema_words {
	const char *(*name)(unsigned index);
	unsigned count;
};

struct schema_key {
	const char *name;
	unsigned places; /* PLACE_BIT()s */
	enum schema_type type;
	enum schema_place inner;
	const struct schema_words *words;
	const char *fallback; /* YAML for the value when nobody writes it; NULL: none */
	const char *system_fallback; /* the same for the system instance where it differs */
	const char *fallback_text; /* for people, where there is no YAML for it */
	unsigned min, max; /* of a duration (ms), an integer, or the length of a list */
	const char *zero; /* the word for 0, which is allowed whatever min says; NULL: none */
	bool required; /* in its place */
	bool one_of; /* at least one of the rows marked so has to be there */
	bool repeats; /* top level: every included file may have it */
	size_t offset; /* of the value in the struct of its place (config_layer.h) */
	const char *help; /* one sentence, lower case, no full stop */
};

enum { SCHEMA_KEYS_MAX = 128 };

/* A set of rows. */
struct schema_set {
	uint64_t bits[SCHEMA_KEYS_MAX / 64];
};

void schema_set_add(struct schema_set *set, size_t index);
bool schema_set_has(const struct schema_set *set, size_t index);

extern const struct schema_key schema_keys[];
extern const size_t schema_key_count;

const struct schema_key *schema_find(enum schema_place place, const char *name);
size_t schema_index(const struct schema_key *key);
const char *schema_place_name(enum schema_place place); /* "hosts.NAME"; "" for the top */

/* What people write instead of name (OpenSSH's spelling, a synonym) and would have to write here:
 * "identity", "keepalive: { interval: 15s }"; NULL: nothing known. */
const char *schema_hint(enum schema_place place, const char *name);

/* Why there is no such key; NULL: nothing known. */
const char *schema_refusal(enum schema_place place, const char *name);

/* The key of this place that name is probably a slip of the pen for. */
const char *schema_suggest(enum schema_place place, const char *name);

/* "host, local, start, ..." in out. */
char *schema_list(enum schema_place place, char *out, size_t size);

/* "between 1s and 1h, or 0" for a duration or integer. */
char *schema_range(const struct schema_key *key, char *out, size_t size);
