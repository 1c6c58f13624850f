/* SPDX-License-Identifier: MIT */
/*
 * ssh takes a part with a '/' in it for a path. What is put in front of one is escaped, because a
 * directory may have a ':' in its name.
 */
#include "ctl/spec.h"

#include <stdbool.h>
#include <string.h>

#include "lib/str.h"

/* The ':' after the part that begins at text, or the end. */
static const char *part_end(const char *text)
{
	const char *bracket = *text == '[' ? strchr(text, ']') : NULL;

	for (text = bracket ? bracket : text; *text && *text != ':'; text++) {
		if (*text == '\\' && text[1])
			text++;
	}
	return text;
}

static const char *last_part(const char *text)
{
	for (const char *end = part_end(text); *end; end = part_end(text))
		text = end + 1;
	return text;
}

static bool is_number(const char *text, size_t length)
{
	return length > 0 && strspn(text, "0123456789") >= length;
}

/* ssh's older form, "::1/5432/db/5432": ports where the form has them. */
static bool is_with_slashes(const char *text)
{
	bool numbers[4] = { false };
	size_t count = 0;

	for (;; text++) {
		size_t length = strcspn(text, "/");

		if (count == 4)
			return false;
		numbers[count++] = is_number(text, length);
		text += length;
		if (!*text)
			return count >= 3 && numbers[count - 3] && numbers[count - 1];
	}
}

static void add_escaped(struct strbuf *to, const char *path)
{
	for (; *path; path++) {
		if (*path == ':' || *path == '\\')
			strbuf_add(to, "\\");
		strbuf_add_bytes(to, path, 1);
	}
}

char *spec_absolute(const char *spec, enum spec_side side, const char *directory, const char *home)
{
	const char *part = side == SPEC_LISTEN ? spec : last_part(spec), *end = part_end(part);
	bool is_whole = part == spec && !*end, at_home = strncmp(part, "~/", 2) == 0;
	struct strbuf text = { 0 };

	/* A spec of one part has none that is on this side. */
	if (is_whole || !memchr(part, '/', (size_t)(end - part)) || *part == '/' ||
	    is_with_slashes(spec)) {
		strbuf_add(&text, spec);
		return strbuf_take(&text);
	}
	strbuf_add_bytes(&text, spec, (size_t)(part - spec));
	add_escaped(&text, at_home ? home : directory);
	strbuf_add(&text, "/");
	strbuf_add(&text, at_home ? part + 2 : part);
	return strbuf_take(&text);
}
