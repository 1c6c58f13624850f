/* SPDX-License-Identifier: MIT */
/*
 * A known_hosts file as text that is changed: text in, text out, no files. What nobody asked to
 * change stays byte for byte as it is.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lib/public_key.h"

/* "label type base64\n"; NULL: no memory. */
char *known_hosts_line_for(const char *label, const struct public_key *key);

/* Whether a line without a marker has this key for label. */
bool known_hosts_text_has(const char *text, size_t length, const char *label,
			  const struct public_key *key);

/* The text in which key is the only one of its type for label, where label itself is named: a line
 * that has another one loses the name, and goes if it was its only one. What patterns with
 * wildcards say stays. The new line stands where the first such line stood, with its hashed name if
 * it had one, or at the end. The caller frees; NULL: no memory. */
char *known_hosts_text_replace(const char *text, size_t length, const char *label,
			       const struct public_key *key, size_t *ret_length);
