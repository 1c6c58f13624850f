/* SPDX-License-Identifier: MIT */
/*
 * What `ssh -G NAME` prints: a line for each setting, "keyword value", in lower case, settings that
 * may stand several times with a line for each. And what ssh complains about when its files are
 * wrong. Texts only; what they mean stands in ssh_keywords.c. The source is dump_client_config() of
 * OpenSSH's readconf.c.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lib/err.h"

enum {
	SSH_OUTPUT_MAX = 256 * 1024, /* bytes */
	SSH_LINES_MAX = 1024,
};

struct ssh_line {
	const char *keyword, *value; /* in the text of the output; value may be "" */
};

struct ssh_output {
	char *text;
	struct ssh_line *lines;
	size_t count;
};

/* ERR_CONFIG when it is none. */
int ssh_output_parse(const char *text, size_t length, struct ssh_output *ret, struct err *err);
void ssh_output_fini(struct ssh_output *output);

/* The value of the next line with keyword from *at on, which moves behind it; NULL: no more. */
const char *ssh_output_next(const struct ssh_output *output, const char *keyword, size_t *at);
const char *ssh_output_find(const struct ssh_output *output, const char *keyword);
/* Whether both say the same about keyword. */
bool ssh_output_agree(const struct ssh_output *a, const struct ssh_output *b, const char *keyword);

/* The first line of what ssh complained about that names a place: "FILE: line 3: what" or "FILE line 3:
 * what"; else its last line, with no place. Fills err (ERR_CONFIG) but not err->at; the path goes into
 * ret_path (allocated, NULL: no place). */
void ssh_complaint(const char *text, char **ret_path, unsigned *ret_line, struct err *ret);
