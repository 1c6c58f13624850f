/* SPDX-License-Identifier: MIT */
/*
 * How to reach one server and who to be there: what a new SSH session is made from, and all of it. One
 * table lists the members, and copies, comparisons and messages follow it, so that a new setting cannot
 * be forgotten in any of them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/endpoint.h"
#include "lib/util.h"

enum address_family { FAMILY_ANY, FAMILY_INET, FAMILY_INET6, FAMILY_COUNT };

enum { QOS_NONE = 256 }; /* leave the system's; below: the byte of IP_TOS or IPV6_TCLASS */

#define CREDENTIAL_PREFIX "credential:" /* what follows is a file in $CREDENTIALS_DIRECTORY */
#define IDENTITY_AGENT "agent" /* in `identities`: the keys of the agent, at this place */

/* A text that is NULL was not written; 0 is "no" where nothing else is said. */
struct connection_settings {
	char *host; /* name or address to dial */
	char *original; /* the host as written in the configuration (ssh's %n) */
	char *user;
	unsigned port;

	/* the way there */
	char *proxy; /* socks5://…, socks4://…, http://… */
	struct strv proxy_command; /* the words of a command, with ssh's tokens; empty: none */
	char *bind_address;
	unsigned address_family; /* enum address_family */
	unsigned tcp_keepalive;
	unsigned ip_qos; /* 0 to 255, or QOS_NONE */
	unsigned share; /* as a jump: tunnels with the same settings use one session */

	/* who we are */
	struct strv
		identities; /* absolute paths, credential:NAME or IDENTITY_AGENT, tried in order */
	unsigned identities_implied; /* the default list: missing files are skipped, not an error */
	unsigned identities_only; /* of the agent's keys only those named by identities */
	struct strv certificate_files; /* absolute paths or credential:NAME */
	char *identity_agent; /* absolute path of its socket, "none", "SSH_AUTH_SOCK" */
	char *passphrase; /* of the identities: a file, credential:NAME; NULL: a person is asked */
	char *password; /* the same */

	/* who the server is */
	struct strv known_hosts; /* absolute paths; missing files count as empty */
	struct strv host_key; /* "strict", "accept-new", or pins: "SHA256:…", "ssh-ed25519 AAAA…" */
	char *host_key_alias; /* looked up instead of host */

	/* how to talk; lists are OpenSSH's, and may be relative (+ - ^) */
	char *ciphers, *kex, *macs, *host_key_algorithms; /* NULL: ours */
	unsigned compression;
	unsigned rekey_kib, rekey_ms; /* new keys after so much or so long; 0: the protocol's own */
};

enum connection_kind { CONNECTION_TEXT, CONNECTION_TEXTS, CONNECTION_NUMBER };

struct connection_field {
	const char *name; /* the member's; also on the wire */
	enum connection_kind kind;
	size_t offset;
	bool required; /* a text that is never NULL */
};

extern const struct connection_field connection_fields[];
extern const size_t connection_field_count;

/* to must be {0}; -1: no memory, and to is {0} again. */
int connection_settings_copy(struct connection_settings *to,
			     const struct connection_settings *from);
bool connection_settings_equal(const struct connection_settings *a,
			       const struct connection_settings *b);
size_t connection_settings_bytes(const struct connection_settings *c); /* of its texts */
void connection_settings_fini(struct connection_settings *c);

/* "user@host:port": which server is meant, for people, and between processes whose configurations may
 * differ for a moment. Returns out. */
enum { CONNECTION_NAME_MAX = ENDPOINT_USER_MAX + 1 + ENDPOINT_TEXT_MAX };
char *connection_name(char out[CONNECTION_NAME_MAX], const struct connection_settings *c);

/* The socket of the agent, which the environment may name; NULL: there is none. */
const char *connection_agent(const struct connection_settings *c);

/* The name of the server in known_hosts files. */
const char *connection_known_name(const struct connection_settings *c);

const char *address_family_name(enum address_family family);
