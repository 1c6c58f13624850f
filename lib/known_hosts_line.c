/* SPDX-License-Identifier: MIT */
#include "lib/known_hosts_line.h"

#include <string.h>

#include "lib/fingerprint.h"
#include "lib/str.h"
#include "lib/util.h"

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

enum known_hosts_match known_hosts_patterns_match(const char *patterns, const char *name)
{
	CLEANUP(freep) char *copy = NULL;
	enum known_hosts_match matched = MATCH_NO;
	char *save = NULL;

	if (patterns[0] == '|')
		return fingerprint_hashed_name_is(patterns, name) ? MATCH_YES : MATCH_NO;
	copy = strdup(patterns);
	for (char *p = copy ? strtok_r(copy, ",", &save) : NULL; p;
	     p = strtok_r(NULL, ",", &save)) {
		bool negated = p[0] == '!';

		if (!str_glob(p + negated, name))
			continue;
		if (negated)
			return MATCH_NEGATED;
		matched = MATCH_YES;
	}
	return matched;
}
