/* SPDX-License-Identifier: MIT */
/*
 * What `tunctl import` gathers: a configuration, tunnel by tunnel, each with the comments about what
 * could not be carried. import_command.c reads command lines, import_script.c and import_unit.c
 * what they stand in, import_host.c what ssh says about a host; import_check.c leaves out what a configuration would refuse. Private to import*.c.
 */
#pragma once

#include <jansson.h>

#include "ctl/failure.h"
#include "lib/util.h"

struct import {
	json_t *tunnels; /* {name: {...}} in the order they were read */
	json_t *hosts; /* the same */
	json_t *comments; /* {name: [text...]}; of a host, too */
	struct strv left_out; /* what is no part of any of them */
};

/* Where a command line comes from. */
struct import_source {
	const char *name; /* of the tunnel; NULL: after the host */
	const char *user; /* who would have run it; NULL: whoever reads the result */
	const char *home; /* what "~" is there; "~" keeps it */
	const char *directory; /* of relative paths */
	const struct strv *environment; /* NAME=VALUE; may be NULL */
	const struct strv *comments; /* to stand there as well; may be NULL */
	const char *keys_hint; /* said when no key is named; may be NULL */
};

int import_init(struct import *import); /* -1: no memory */
void import_fini(struct import *import);

/* A new entry of map (import->tunnels or ->hosts), which takes over entry, with its comments. A name
 * that is there already gets a number. -1: no memory. */
int import_add(struct import *import, json_t *map, const char *name, json_t *entry,
	       const struct strv *comments);

/* The words of a command that runs ssh or autossh. */
int import_command(struct import *import, const struct import_source *source, int argc,
		   char *const *argv, struct failure *f);
/* A line of a shell that runs them. */
int import_line(struct import *import, const struct import_source *source, const char *line,
		struct failure *f);
/* Lines of a script or a crontab. */
int import_script(struct import *import, const struct import_source *source, const char *text,
		  struct failure *f);
/* A unit of systemd, with its drop-ins behind it. */
int import_unit(struct import *import, const struct strv *paths, const char *name,
		struct failure *f);
/* What ssh's configuration says about host, its jump hosts included. */
int import_host(struct import *import, const char *host, const char *name, struct failure *f);

/* Moves what the decoder of the configuration refuses from tunnel to comments. Fails when nothing is
 * left that could be a tunnel. */
int import_check(json_t *tunnel, struct strv *comments, struct failure *f);
/* The same for an entry of `hosts`. */
int import_check_host(json_t *host, struct strv *comments, struct failure *f);
