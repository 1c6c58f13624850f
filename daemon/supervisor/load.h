/* SPDX-License-Identifier: MIT */
/*
 * Everything that says which tunnels exist, read in one go: the configuration file with what it
 * includes, and the tunnels that were added. Blocks on the disk.
 */
#pragma once

#include "daemon/supervisor/leash.h"
#include "lib/config.h"

/* Where to read. */
struct load_source {
	char *config; /* path */
	bool optional; /* a missing file is an empty one */
	char *state_dir;
	bool system;
	char *home, *user; /* of whom the daemon runs as */
	struct leash *leash; /* borrowed; of programs that are run meanwhile */
};

int load_source_copy(struct load_source *to, const struct load_source *from); /* -1: no memory */
void load_source_fini(struct load_source *source);

struct loaded {
	struct config *config; /* NULL: problems says why */
	struct config_problems problems;
	struct strv warnings; /* the configuration is usable all the same */
	bool is_missing; /* there was no file, and that was allowed */
};

/* What a configuration is read with; borrowed from source. */
struct config_context load_context(const struct load_source *source);
void load(const struct load_source *source, struct loaded *ret);
void loaded_fini(struct loaded *loaded);

/* What OpenSSH's configuration says in vain goes into the log, in one line. NULL before: none was in force;
 * else what it had as well is not said again. */
void load_log_notes(const struct config *config, const struct config *before);

/* "3 problems; the first: FILE:3:5: ..."; the whole of a single one. */
void load_summarize(const struct config_problems *problems, struct err *ret);
