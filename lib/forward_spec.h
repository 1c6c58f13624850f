/* SPDX-License-Identifier: MIT */
/*
 * What stands after `ssh -L`, `-R` and `-D`: `[bind:]port:host:hostport`, either side of which may
 * be the path of a Unix socket; without a target where each client names its own. The source is
 * OpenSSH's parse_forward() (readconf.c); beyond it a port may be a range. An empty bind or `*` is
 * every address, a missing one is localhost.
 */
#pragma once

#include <stdint.h>

#include "lib/config.h"
#include "lib/endpoint.h"
#include "lib/err.h"

enum { FORWARD_PATH_MAX = 107 }; /* bytes; what a socket's address holds besides its NUL */

struct forward_end {
	enum end_kind kind;
	char host[ENDPOINT_HOST_MAX + 1]; /* as in struct config_end, but a path as written */
	uint16_t port; /* the first */
	uint16_t port_count; /* 1: no range */
};

struct forward_spec {
	struct forward_end listen, target;
};

int forward_spec_parse(const char *text, enum forward_type type, struct forward_spec *ret,
		       struct err *err);

/* The halves, as the mapping form has them: `[bind:]port` and `host:port`, or paths. */
int forward_listen_parse(const char *text, enum forward_type type, struct forward_end *ret,
			 struct err *err);
int forward_target_parse(const char *text, enum forward_type type, struct forward_end *ret,
			 struct err *err);
/* Whether two halves make a whole: ranges of one length, and only between ports. */
int forward_ends_check(const struct forward_end *listen, const struct forward_end *target,
		       struct err *err);
