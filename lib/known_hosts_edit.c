/* SPDX-License-Identifier: MIT */
#include "lib/known_hosts_edit.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/known_hosts_line.h"
#include "lib/str.h"
#include "lib/util.h"

/* The length of the line that begins at text, with its newline. */
static size_t line_length(const char *text, size_t length)
{
	const char *end = memchr(text, '\n', length);

	return end ? (size_t)(end - text) + 1 : length;
}

/* What a line says, in *ret_copy, which line points into. 1: it is about label, 0: it is not, -1: that
 * cannot be told for lack of memory. */
static int read_line(const char *text, size_t length, const char *label,
		     struct known_hosts_line *line, char **ret_copy)
{
	enum known_hosts_match matched;

	*ret_copy = NULL;
	*ret_copy = strndup(text, length);
	if (!*ret_copy)
		return -1;
	if (!known_hosts_line_read(line, *ret_copy) || line->marker != MARKER_NONE)
		return 0;
	matched = known_hosts_patterns_match(line->patterns, label);
	return matched == MATCH_UNSURE ? -1 : matched == MATCH_YES;
}

static bool line_has(const struct known_hosts_line *line, const struct public_key *key)
{
	return strcmp(line->type, key->type) == 0 && strcmp(line->base64, key->base64) == 0;
}

char *known_hosts_line_for(const char *label, const struct public_key *key)
{
	return str_printf("%s %s %s\n", label, key->type, key->base64);
}

bool known_hosts_text_has(const char *text, size_t length, const char *label,
			  const struct public_key *key)
{
	bool found = false;

	while (length > 0 && !found) {
		size_t size = line_length(text, length);
		CLEANUP(freep) char *copy = NULL;
		struct known_hosts_line line;

		found = read_line(text, size, label, &line, &copy) > 0 && line_has(&line, key);
		text += size;
		length -= size;
	}
	return found;
}

/* ---- replacing ---- */

struct editing {
	const char *label;
	const struct public_key *key;
	struct strbuf out;
	bool is_there; /* the line for key */
};

/* name is the label, or its hash. */
static void add_new_line(struct editing *e, const char *name)
{
	CLEANUP(freep) char *line = NULL;

	if (e->is_there)
		return;
	e->is_there = true;
	line = known_hosts_line_for(name, e->key);
	if (line)
		strbuf_add(&e->out, line);
	else
		e->out.failed = true;
}

/* The patterns of a line without label; "" when no positive one is left. NULL: no memory. */
static char *without_name(char *patterns, const char *label)
{
	struct strbuf rest = { 0 };
	bool any = false;
	char *save = NULL;

	for (char *p = strtok_r(patterns, ",", &save); p; p = strtok_r(NULL, ",", &save)) {
		if (strcasecmp(p, label) == 0)
			continue;
		strbuf_addf(&rest, "%s%s", rest.length ? "," : "", p);
		any |= p[0] != '!';
	}
	if (!any) {
		strbuf_fini(&rest);
		return strdup("");
	}
	return strbuf_take(&rest);
}

static bool names(const char *patterns, const char *label)
{
	size_t size = strlen(label);

	for (const char *p = patterns; p; p = strchr(p, ',')) {
		p += *p == ',';
		if (strncasecmp(p, label, size) == 0 && (p[size] == ',' || p[size] == '\0'))
			return true;
	}
	return false;
}

/* A line with another key of this type: what is left of it, behind the new one. */
static void replace_line(struct editing *e, const char *text, size_t size,
			 struct known_hosts_line *line, const char *copy)
{
	size_t begin = (size_t)(line->patterns - copy);
	size_t end = begin + strlen(line->patterns);
	CLEANUP(freep) char *rest = NULL;

	if (line->patterns[0] == '|') {
		add_new_line(e, line->patterns); /* whoever hid the name wants it hidden */
		return;
	}
	if (!names(line->patterns, e->label)) {
		strbuf_add_bytes(&e->out, text, size); /* a wildcard; it is for others as well */
		return;
	}
	add_new_line(e, e->label);
	rest = without_name(line->patterns, e->label);
	if (!rest) {
		e->out.failed = true;
	} else if (*rest) {
		strbuf_add_bytes(&e->out, text, begin);
		strbuf_add(&e->out, rest);
		strbuf_add_bytes(&e->out, text + end, size - end);
	}
}

static void edit_line(struct editing *e, const char *text, size_t size)
{
	CLEANUP(freep) char *copy = NULL;
	struct known_hosts_line line;
	int rc = read_line(text, size, e->label, &line, &copy);

	if (rc < 0)
		e->out.failed = true;
	else if (rc > 0 && strcmp(line.type, e->key->type) == 0 && !line_has(&line, e->key))
		replace_line(e, text, size, &line, copy);
	else
		strbuf_add_bytes(&e->out, text, size);
}

char *known_hosts_text_replace(const char *text, size_t length, const char *label,
			       const struct public_key *key, size_t *ret_length)
{
	struct editing e = { .label = label, .key = key };

	e.is_there = known_hosts_text_has(text, length, label, key);
	while (length > 0) {
		size_t size = line_length(text, length);

		edit_line(&e, text, size);
		text += size;
		length -= size;
	}
	if (!e.is_there && e.out.length > 0 && e.out.data[e.out.length - 1] != '\n')
		strbuf_add(&e.out, "\n");
	add_new_line(&e, label);
	*ret_length = e.out.length;
	return strbuf_take(&e.out);
}
