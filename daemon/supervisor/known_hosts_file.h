/* SPDX-License-Identifier: MIT */
/*
 * Writes known_hosts files. Whoever reads one meanwhile, also after a crash, finds the old text or
 * the new one; whoever writes one with flock(2) held is waited for. All of it blocks on disk.
 */
#pragma once

#include <stdbool.h>

#include "lib/err.h"
#include "lib/public_key.h"

/* Appends the line, unless label has this key there already; *ret_written tells. Creates the file,
 * for the owner alone, and its directory if only that is missing. */
int known_hosts_file_append(const char *path, const char *label, const struct public_key *key,
			    bool *ret_written, struct err *err);
/* Puts key in the place of the keys of its type that the file has for label. Symbolic links are
 * followed; mode and owner stay. */
int known_hosts_file_replace(const char *path, const char *label, const struct public_key *key,
			     struct err *err);
