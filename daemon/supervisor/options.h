/* SPDX-License-Identifier: MIT */
/*
 * The command line of tunneld. Parsing only; nothing is opened.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "lib/err.h"

enum options_mode {
	MODE_RUN,
	MODE_CHECK,
	MODE_VERSION,
	MODE_HELP,
	MODE_SCHEMA_JSON,
	MODE_SCHEMA_REFERENCE,
};

struct options {
	enum options_mode mode;
	const char *config, *socket, *state_dir; /* NULL: the default; borrowed from argv */
	bool is_system;
};

/* -1 with ERR_USAGE. is_root: the system instance is the default. */
int options_parse(int argc, char **argv, bool is_root, struct options *ret, struct err *err);
void options_print_help(FILE *out);
