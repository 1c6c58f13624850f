/* SPDX-License-Identifier: MIT */
/*
 * Where things live: one place that knows, for the daemon and for tunctl. The system instance lives
 * in /etc, /run and /var/lib; a user's instance where the XDG base directory specification says.
 * Nothing is created here.
 */
#pragma once

#include <stdbool.h>

#include "lib/err.h"

struct paths {
	char *config; /* the configuration file */
	char *socket; /* the control socket */
	char *state_dir; /* added tunnels */
	char *home; /* of the current user: $HOME, else the password database */
	char *user; /* login name of the current user; the number when there is none */
};

/* All paths are absolute. XDG variables that are not absolute are ignored, as their specification
 * wants it. */
int paths_init(struct paths *ret, bool system, struct err *err);
void paths_fini(struct paths *paths);

/* Where a file is that may be a credential: "credential:NAME" stands in the directory that the
 * service manager gives us, anything else is a path already. The caller frees; NULL with err. */
char *paths_credential(const char *name, struct err *err);
