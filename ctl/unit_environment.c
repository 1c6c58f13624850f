/* SPDX-License-Identifier: MIT */
/*
 * A file of EnvironmentFile= (systemd.exec(5)): lines of NAME=VALUE. A value reaches to the end of its
 * line, blanks included; quotes around it are not part of it, and may reach over several lines.
 */
#include <stdlib.h>
#include <string.h>

#include "ctl/unit.h"
#include "lib/str.h"

#define BLANKS " \t\r"
#define NAME_LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789"

/* What stands in quotes at at; returns what is behind them. */
static const char *read_quoted(const char *at, struct strbuf *value)
{
	char quote = *at++;

	for (; *at && *at != quote; at++) {
		if (*at == '\\' && quote == '"' && at[1] == '\n') {
			at++;
			continue;
		}
		if (*at == '\\' && quote == '"' && at[1] && strchr("\"\\`$", at[1]))
			at++;
		strbuf_add_bytes(value, at, 1);
	}
	return at + (*at == quote);
}

/* Without quotes, to the end of the line; blanks at the end are not part of it. */
static const char *read_bare(const char *at, struct strbuf *value)
{
	size_t kept = value->length;

	for (; *at && *at != '\n'; at++) {
		bool is_escaped = *at == '\\' && at[1];

		at += is_escaped;
		if (is_escaped && *at == '\n')
			continue;
		strbuf_add_bytes(value, at, 1);
		if (is_escaped || !strchr(BLANKS, *at))
			kept = value->length;
	}
	if (value->data && !value->failed) {
		value->length = kept;
		value->data[kept] = '\0';
	}
	return at;
}

/* "'a'\"b\"c" is "abc". */
static const char *read_value(const char *at, struct strbuf *value)
{
	at += strspn(at, BLANKS);
	while (*at == '\'' || *at == '"') {
		at = read_quoted(at, value);
		at += strspn(at, BLANKS);
	}
	return read_bare(at, value);
}

int unit_read_environment(const char *text, struct strv *to)
{
	for (const char *at = text; *at; at += *at == '\n') {
		size_t length;
		struct strbuf line = { 0 };
		CLEANUP(freep) char *variable = NULL;

		at += strspn(at, BLANKS);
		length = strspn(at, NAME_LETTERS);
		if (length == 0 || at[length + strspn(at + length, BLANKS)] != '=') {
			at += strcspn(at, "\n");
			continue;
		}
		strbuf_add_bytes(&line, at, length);
		strbuf_add(&line, "=");
		at = read_value(strchr(at, '=') + 1, &line);
		variable = strbuf_take(&line);
		if (!variable || strv_add(to, variable) < 0)
			return -1;
	}
	return 0;
}
