/* SPDX-License-Identifier: MIT */
/*
 * A command line as text to words, as the shell or systemd would read it (systemd.syntax(7)). Nothing
 * is expanded, except that "$HOME/" becomes "~/": a word that would be says so.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lib/err.h"

enum words_syntax { WORDS_SHELL, WORDS_SYSTEMD };

struct word {
	char *text;
	bool is_operator; /* of the shell: & && | ; > and their like; of systemd: ; */
	bool expands; /* the shell would put something else in its place */
};

struct words {
	struct word *items;
	size_t count;
};

enum { WORDS_MAX = 4096 };

/* ERR_CONFIG: a quote is not closed, or there are too many words. */
int words_split(const char *text, enum words_syntax syntax, struct words *ret, struct err *err);
void words_fini(struct words *words);
