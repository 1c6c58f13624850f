/* SPDX-License-Identifier: MIT */
/*
 * One line of a known_hosts file (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT"): what stands where, and
 * whether its patterns are for a name. Nothing is decoded before it has to be: files have thousands
 * of lines, and one or two are for the server in question.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum known_hosts_marker {
	MARKER_NONE,
	MARKER_REVOKED,
	MARKER_AUTHORITY,
	MARKER_UNKNOWN /* from a future; the line says nothing to us */
};

/* "[marker] patterns type base64 [comment]" */
struct known_hosts_line {
	enum known_hosts_marker marker;
	char *patterns, *type, *base64; /* point into the text that was read */
};

/* Cuts text, which has no newline, into words. False: it is empty, a comment, or no such line. */
bool known_hosts_line_read(struct known_hosts_line *ret, char *text);

/* MATCH_UNSURE: it cannot be told (there is no memory for a hash), and the line may be a @revoked one. */
enum known_hosts_match { MATCH_NO, MATCH_YES, MATCH_NEGATED, MATCH_UNSURE };

/* Comma-separated patterns, of which a negated one that matches wins; or one salted hash. The name
 * is in lower case. Allocates nothing by itself. */
enum known_hosts_match known_hosts_patterns_match(const char *patterns, const char *name);
