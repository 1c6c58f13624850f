/* SPDX-License-Identifier: MIT */
/*
 * libyaml describes what its grammar missed; people want to know what to change. The table maps the
 * one to the other; a problem that is not in it keeps libyaml's words.
 */
#include "lib/yaml_problem.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "lib/str.h"
#include "lib/util.h"

#define BRACKETS "; a value that begins with '[' or '{' needs quotes"

static const struct {
	const char *problem; /* how libyaml's text begins */
	const char *say;
	bool since; /* the line where the surrounding thing began helps */
} sayings[] = {
	{ "found a tab character", "a tab stands where YAML wants spaces for indentation", false },
	{ "did not find expected key",
	  "this line does not fit what surrounds it: check its indentation", true },
	{ "did not find expected '-' indicator",
	  "this line does not fit the list around it: check its indentation", true },
	{ "mapping values are not allowed",
	  "a ':' is not expected here: check the indentation of this line, or put the value in "
	  "quotes",
	  false },
	{ "could not find expected ':'", "a key without a ':'; write 'key: value'", true },
	{ "did not find expected ',' or ']'", "a ',' or ']' is missing" BRACKETS, true },
	{ "did not find expected ',' or '}'", "a ',' or '}' is missing" BRACKETS, true },
	{ "found unexpected end of stream", "a quote is opened but never closed", true },
	{ "found unexpected document indicator", "a quote is opened but never closed", true },
	{ "did not find expected alphabetic or numeric character",
	  "a value that begins with '*' or '&' needs quotes: '*:8080:host:80'", false },
	{ "found unknown escape character",
	  "unknown escape in double quotes; write \\\\ for a backslash or use single quotes",
	  false },
	{ "block sequence entries are not allowed",
	  "a list cannot begin here; put its '- ' on a line of its own", false },
	{ "block mapping entries", "a mapping cannot begin here; put it on a line of its own",
	  false },
	{ "did not find expected <document start>",
	  "the document ended before this; is there a bracket too many, or too little indentation?",
	  false },
	{ "did not find expected node content", "a value is missing here" BRACKETS, true },
	{ "exceeded maximum depth", "nested too deeply", false },
	{ "found duplicate %YAML directive", "a second %YAML line", false },
	{ "found incompatible YAML document",
	  "this file asks for a version of YAML that is not 1.x", false },
};

/* Fills err with a place; always -1. */
static int set_at(struct err *err, const char *file, unsigned line, unsigned column)
{
	if (err) {
		err->at.file = file;
		err->at.line = line;
		err->at.column = column;
	}
	return -1;
}

/* Characters from the start of the line to here. */
static unsigned column_of(const char *line, const char *here)
{
	unsigned column = 1;

	for (; line < here; line++)
		column += ((unsigned char)*line & 0xc0) != 0x80;
	return column;
}

/* Control characters have no business in a configuration; NUL is the sign of a file that is not
 * text, or of one whose blocks never reached the disk. */
static bool is_control(unsigned char c)
{
	return (c < 0x20 && c != '\n' && c != '\r' && c != '\t') || c == 0x7f;
}

/* How many bytes of line are well-formed. */
static size_t utf8_prefix(const char *line, size_t length)
{
	size_t good = 0, n = 1;

	while (good + n <= length && n <= 4) {
		if (str_is_utf8(line + good, n)) {
			good += n;
			n = 1;
		} else {
			n++;
		}
	}
	return good;
}

static int check_line(struct err *err, const char *line, size_t length, const char *file,
		      unsigned number)
{
	size_t good;

	for (size_t i = 0; i < length; i++) {
		if (!is_control((unsigned char)line[i]))
			continue;
		err_set(err, ERR_CONFIG,
			"a %s character (0x%02x): this is not a text file, or a damaged one",
			line[i] ? "control" : "NUL", (unsigned char)line[i]);
		return set_at(err, file, number, column_of(line, line + i));
	}
	if (str_is_utf8(line, length))
		return 0;
	good = utf8_prefix(line, length);
	err_set(err, ERR_CONFIG, "not valid UTF-8 (byte 0x%02x); save the file as UTF-8",
		(unsigned char)line[good]);
	return set_at(err, file, number, column_of(line, line + good));
}

int yaml_text_check(struct err *err, const char *text, size_t length, const char *file,
		    size_t bytes_max, unsigned directives_max)
{
	unsigned number = 1, directives = 0;

	if (length > bytes_max) {
		err_set(err, ERR_CONFIG, "larger than %zu KiB; split it with 'include'",
			bytes_max / 1024);
		return set_at(err, file, 0, 0);
	}
	for (const char *line = text, *end = text + length; line < end; number++) {
		const char *next = memchr(line, '\n', (size_t)(end - line));
		size_t size = (size_t)((next ? next : end) - line);

		if (check_line(err, line, size, file, number) < 0)
			return -1;
		if (*line == '%' && ++directives > directives_max) {
			err_set(err, ERR_CONFIG, "too many lines that begin with '%%'");
			return set_at(err, file, number, 1);
		}
		line += size + 1;
	}
	return 0;
}

/* '\t' and '@' both "cannot start any token"; here is the character to tell them apart. */
static bool say_bad_start(struct err *err, const yaml_parser_t *parser)
{
	unsigned char c =
		parser->buffer.pointer < parser->buffer.last ? *parser->buffer.pointer : 0;

	if (strncmp(parser->problem, "found character that cannot start any token", 43) != 0)
		return false;
	if (c == '\t')
		err_set(err, ERR_CONFIG, "a tab stands where YAML wants spaces for indentation");
	else if (c > ' ' && c < 0x7f)
		err_set(err, ERR_CONFIG, "a value that begins with '%c' needs quotes", c);
	else
		err_set(err, ERR_CONFIG, "a character that cannot begin a value");
	return true;
}

static void say_problem(struct err *err, const yaml_parser_t *parser)
{
	const char *problem = parser->problem ? parser->problem : "unreadable";

	for (size_t i = 0; i < ARRAY_SIZE(sayings); i++) {
		if (strncmp(problem, sayings[i].problem, strlen(sayings[i].problem)) != 0)
			continue;
		if (sayings[i].since && parser->context_mark.line != parser->problem_mark.line)
			err_set(err, ERR_CONFIG, "%s (it began in line %zu)", sayings[i].say,
				parser->context_mark.line + 1);
		else
			err_set(err, ERR_CONFIG, "%s", sayings[i].say);
		return;
	}
	err_set(err, ERR_CONFIG, "not valid YAML: %s%s%s", problem, parser->context ? " " : "",
		parser->context ? parser->context : "");
}

void yaml_problem_set(struct err *err, const yaml_parser_t *parser, const char *file)
{
	/* A reader error has no mark of its own; the parser has read about as far as the problem.
	 */
	const yaml_mark_t *mark =
		parser->error == YAML_READER_ERROR ? &parser->mark : &parser->problem_mark;

	if (parser->error == YAML_MEMORY_ERROR) {
		err_nomem(err);
		return;
	}
	if (!parser->problem || !say_bad_start(err, parser))
		say_problem(err, parser);
	set_at(err, file, (unsigned)mark->line + 1, (unsigned)mark->column + 1);
}
