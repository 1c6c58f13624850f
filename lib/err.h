/* SPDX-License-Identifier: MIT */
/*
 * Errors as values. One struct, filled by whoever fails first, improved by every caller that knows
 * more on the way up, shown once at the top. Nobody frees it; NULL is accepted everywhere and means
 * "the caller does not want to know". The code says who has to act and is what programs match on
 * (its slug goes on the wire, into JSON and metrics); the message is for people.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Who has to act before it can get better. */
enum err_actor {
	ERR_ACTOR_NOBODY, /* the daemon tries again by itself */
	ERR_ACTOR_PERSON, /* pointless to repeat until somebody changes something */
};

/* clang-format off */
/*  code                      slug                     actor */
#define ERR_TABLE(X) \
	X(ERR_NONE,                "ok",                    NOBODY) \
	/* names and network */ \
	X(ERR_RESOLVE,             "resolve-failed",        NOBODY) \
	X(ERR_REFUSED,             "connection-refused",    NOBODY) \
	X(ERR_UNREACHABLE,         "host-unreachable",      NOBODY) \
	X(ERR_NETWORK,             "network",               NOBODY) \
	X(ERR_TIMEOUT,             "timeout",               NOBODY) \
	X(ERR_LOST,                "connection-lost",       NOBODY) \
	X(ERR_KEEPALIVE,           "keepalive-timeout",     NOBODY) \
	/* the way there */ \
	X(ERR_PROXY_AUTH,          "proxy-auth-refused",    PERSON) \
	X(ERR_PROXY_DENIED,        "proxy-denied",          NOBODY) \
	X(ERR_PROXY_COMMAND,       "proxy-command-failed",  NOBODY) \
	/* the SSH protocol */ \
	X(ERR_NOT_SSH,             "not-ssh",               NOBODY) \
	X(ERR_PROTOCOL,            "protocol",              NOBODY) \
	X(ERR_NO_COMMON_ALGORITHM, "no-common-algorithm",   PERSON) \
	/* host keys */ \
	X(ERR_HOST_KEY_UNKNOWN,    "host-key-unknown",      PERSON) \
	X(ERR_HOST_KEY_CHANGED,    "host-key-changed",      PERSON) \
	X(ERR_HOST_KEY_REVOKED,    "host-key-revoked",      PERSON) \
	X(ERR_KNOWN_HOSTS,         "known-hosts-unreadable", PERSON) \
	X(ERR_KNOWN_HOSTS_WRITE,   "known-hosts-unwritable", PERSON) \
	/* who we are */ \
	X(ERR_AUTH,                "auth-refused",          PERSON) \
	X(ERR_NO_IDENTITY,         "no-identity",           PERSON) \
	X(ERR_IDENTITY_MISSING,    "identity-missing",      PERSON) \
	X(ERR_IDENTITY_PERMISSIONS, "identity-permissions", PERSON) \
	X(ERR_IDENTITY_UNREADABLE, "identity-unreadable",   PERSON) \
	X(ERR_IDENTITY_ENCRYPTED,  "identity-encrypted",    PERSON) \
	X(ERR_PASSPHRASE,          "needs-passphrase",      PERSON) \
	X(ERR_PASSWORD,            "needs-password",        PERSON) \
	X(ERR_ANSWER,              "needs-answer",          PERSON) \
	X(ERR_PASSWORD_EXPIRED,    "password-expired",      PERSON) \
	X(ERR_SECRET_FILE,         "secret-unreadable",     PERSON) \
	X(ERR_CREDENTIAL,          "no-credential",         PERSON) \
	X(ERR_CERTIFICATE,         "certificate-unusable",  PERSON) \
	X(ERR_AGENT,               "agent-unavailable",     NOBODY) \
	X(ERR_AGENT_LACKS,         "agent-lacks-key",       NOBODY) \
	X(ERR_AGENT_REFUSED,       "agent-refused",         PERSON) \
	/* forwards */ \
	X(ERR_PORT_IN_USE,         "port-in-use",           NOBODY) \
	X(ERR_BIND,                "bind-failed",           NOBODY) \
	X(ERR_PROHIBITED,          "forward-prohibited",    NOBODY) \
	X(ERR_TARGET,              "target-unreachable",    NOBODY) \
	X(ERR_FORWARD_IN_USE,      "forward-in-use",        NOBODY) \
	X(ERR_FORWARD_GHOST,       "forward-held-by-old-session", NOBODY) \
	X(ERR_FORWARD_REFUSED,     "forward-refused",       NOBODY) \
	X(ERR_UNSUPPORTED,         "unsupported",           PERSON) \
	X(ERR_NOT_ALLOWED,         "destination-not-allowed", PERSON) \
	/* the daemon's own house */ \
	X(ERR_WORKER,              "worker-died",           NOBODY) \
	X(ERR_LIMIT,               "limit",                 NOBODY) \
	X(ERR_IO,                  "io",                    NOBODY) \
	X(ERR_NOMEM,               "no-memory",             NOBODY) \
	X(ERR_INTERNAL,            "internal",              NOBODY) \
	/* requests and files written by people */ \
	X(ERR_CONFIG,              "config",                PERSON) \
	X(ERR_USAGE,               "usage",                 PERSON) \
	X(ERR_NO_SUCH_TUNNEL,      "no-such-tunnel",        PERSON) \
	X(ERR_TUNNEL_EXISTS,       "tunnel-exists",         PERSON) \
	X(ERR_NOT_ADDED,           "not-added",             PERSON) \
	X(ERR_NOT_CONNECTED,       "not-connected",         NOBODY) \
	X(ERR_NO_SUCH_CONNECTION,  "no-such-connection",    PERSON) \
	X(ERR_NO_SUCH_QUESTION,    "no-such-question",      PERSON) \
	X(ERR_ATTENDED,            "attended-already",      PERSON) \
	X(ERR_ACCESS,              "access-denied",         PERSON) \
	X(ERR_NOT_REACHABLE,       "daemon-not-reachable",  PERSON) \
	X(ERR_ALREADY_RUNNING,     "already-running",       PERSON)
/* clang-format on */

enum err_code {
#define X(code, slug, actor) code,
	ERR_TABLE(X)
#undef X
		ERR_CODE_COUNT
};

struct err {
	enum err_code code;
	int sys; /* errno where one caused it, else 0 */
	struct {
		const char *file; /* borrowed from the document that was read; NULL: nowhere */
		unsigned line, column; /* from 1 */
	} at;
	/* One line, no trailing newline, safe to print. This long because the message for an unknown
	 * host key holds the known_hosts line to add, and an RSA key takes 700 bytes of it. */
	char msg[1280];
};

/* Fills err; always returns -1, so that "return err_set(...)" reads well. */
int err_set(struct err *err, enum err_code code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Same with errno: appends ": " and the text of sys. */
int err_set_errno(struct err *err, enum err_code code, int sys, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Puts "<fmt>: " before the message; returns -1. Used while an error climbs. */
int err_prefix(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Puts with where what first stands in the message, if it does. */
void err_replace(struct err *err, const char *what, const char *with);

/* "no-memory"; returns -1. */
int err_nomem(struct err *err);

void err_clear(struct err *err);

/* The stable word for programs: "host-key-changed". Never NULL. */
const char *err_slug(enum err_code code);

/* The code for a slug, ERR_INTERNAL for one that is not known. */
enum err_code err_from_slug(const char *slug);

/* True when repeating is pointless until somebody changes something. */
bool err_needs_person(enum err_code code);

/* True when somebody's answers (`tunctl auth`) are all that is missing. */
bool err_wants_answer(enum err_code code);

/* Appends to the message; returns -1. */
int err_append(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The err_code that fits an errno of a socket call: ECONNREFUSED -> ERR_REFUSED, ... */
enum err_code err_from_errno(int sys);
