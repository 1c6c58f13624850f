/* SPDX-License-Identifier: MIT */
/*
 * What OpenSSH's keywords (ssh_config(5)) mean in tunneld.yaml, as one table. It serves what `ssh -G`
 * prints (a ~/.ssh/config), `-o` of command lines, and the manual, which is checked against it. A
 * translation does not store anything: it tells a sink.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/ssh_output.h"

enum ssh_fate {
	SSH_BECOMES, /* a key */
	SSH_READ_OVER, /* says nothing that matters to a tunnel, or what tunneld does anyway */
	SSH_NOTED, /* has no meaning here, which its author should know */
};

/* What tokens in values stand for; borrowed. A NULL one is not known. */
struct ssh_names {
	const char *home, *local_user; /* %d, %u */
	const char *host; /* as it was asked for: %n */
	const char *hostname, *port, *user; /* of the server: %h, %p, %r */
	const char *key_alias; /* %k; NULL: it is host */
	const char *jump; /* a list, of whose last %j is the host; NULL: there is none */
	const char *hash; /* of the connection: %C */
	const char *permit_remote_open; /* of the same host; NULL: any */
	bool is_output; /* values are of `ssh -G`, which replaces tokens in most of them */
	bool whole_lists; /* algorithms that are not known are left to the reader to refuse */
};

struct ssh_sink {
	/* Takes over the reference to value (NULL: no memory). key may have dots:
	 * "keepalive.interval". A key that comes again has a list of values. -1: stop. */
	int (*put)(void *data, const char *key, json_t *value);
	int (*note)(void *data, const char *text); /* something was not carried; -1: stop */
	void *data;
};

struct ssh_keyword;

struct ssh_translation {
	const struct ssh_keyword *keyword;
	const struct ssh_names *names;
	const struct ssh_sink *sink;
};

struct ssh_keyword {
	const char *name; /* OpenSSH's spelling */
	enum ssh_fate fate;
	const char *key; /* of tunneld.yaml; NULL unless SSH_BECOMES */
	int (*translate)(const struct ssh_translation *t, const char *value); /* the same */
	const char *why; /* SSH_NOTED: why it has no meaning here */
};

extern const struct ssh_keyword ssh_keywords[];
extern const size_t ssh_keyword_count;

const struct ssh_keyword *ssh_keyword_find(const char *name); /* in any case; NULL: unknown */
/* "no", "none" and the like. */
bool ssh_value_is_off(const char *value);

/* One value of one keyword. -1: the sink said so. */
int ssh_translate(const struct ssh_keyword *keyword, const char *value,
		  const struct ssh_names *names, const struct ssh_sink *sink);

/* All of said that unset does not say, too. What is only a matter of course where this system's own
 * settings (usual, may be NULL) say it is not noted. HostName, User and Port are left to the caller. */
int ssh_translate_output(const struct ssh_output *said, const struct ssh_output *unset,
			 const struct ssh_output *usual, const struct ssh_names *names,
			 const struct ssh_sink *sink);
