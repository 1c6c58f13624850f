/* SPDX-License-Identifier: MIT */
#include "lib/known_hosts_line.h"

#include <string.h>

#include "lib/fingerprint.h"
#include "lib/str.h"

#define BLANKS " \t"

/* Cuts the next blank-separated word off *text; NULL at the end. */
static char *next_word(char **text)
{
	char *word = *text + strspn(*text, BLANKS);
	char *end = word + strcspn(word, BLANKS);

	if (*word == '\0')
		return NULL;
	*text = *end ? end + 1 : end;
	*end = '\0';
	return word;
}

static enum known_hosts_marker take_marker(char **text)
{
	char *word;

	if ((*text)[0] != '@')
		return MARKER_NONE;
	word = next_word(text);
	if (strcmp(word, "@revoked") == 0)
		return MARKER_REVOKED;
	return strcmp(word, "@cert-authority") == 0 ? MARKER_AUTHORITY : MARKER_UNKNOWN;
}

bool known_hosts_line_read(struct known_hosts_line *ret, char *text)
{
	*ret = (struct known_hosts_line){ 0 };
	text += strspn(text, BLANKS);
	text[strcspn(text, "\r\n")] = '\0';
	if (*text == '\0' || *text == '#')
		return false;
	ret->marker = take_marker(&text);
	ret->patterns = next_word(&text);
	ret->type = next_word(&text);
	ret->base64 = next_word(&text);
	return ret->marker != MARKER_UNKNOWN && ret->base64;
}

static enum known_hosts_match hash_match(const char *hashed, const char *name)
{
	int rc = fingerprint_hashed_name_is(hashed, name);

	return rc < 0 ? MATCH_UNSURE : rc > 0 ? MATCH_YES : MATCH_NO;
}

enum known_hosts_match known_hosts_patterns_match(const char *patterns, const char *name)
{
	enum known_hosts_match matched = MATCH_NO;
	size_t length;

	if (patterns[0] == '|')
		return hash_match(patterns, name);
	for (const char *p = patterns; *p; p += length + (p[length] == ',')) {
		bool negated = p[0] == '!';

		length = strcspn(p, ",");
		if (!str_glob_bytes(p + negated, length - negated, name))
			continue;
		if (negated)
			return MATCH_NEGATED;
		matched = MATCH_YES;
	}
	return matched;
}
