/* SPDX-License-Identifier: MIT */
#include "ctl/words.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "lib/str.h"
#include "lib/util.h"

#define BLANKS " \t\r\n"
#define OPERATORS "&|;<>()"

struct lexer {
	const char *at;
	enum words_syntax syntax;
	struct strbuf text; /* of the word */
	bool expands;
	struct words *words;
};

static int add_word(struct lexer *l, bool is_operator, struct err *err)
{
	struct words *w = l->words;
	struct word *items = realloc(w->items, (w->count + 1) * sizeof(*items));
	char *text = strbuf_take(&l->text);

	if (items)
		w->items = items;
	if (!items || !text || w->count == WORDS_MAX) {
		free(text);
		return items && text
			       ? err_set(err, ERR_CONFIG, "there are more than %d words", WORDS_MAX)
			       : err_nomem(err);
	}
	w->items[w->count++] = (struct word){ text, is_operator, l->expands };
	l->expands = false;
	return 0;
}

/* The C-like escapes of systemd.syntax(7), at the character behind the backslash. */
static void read_escape(struct lexer *l)
{
	static const char letters[] = "abfnrtvs", meant[] = "\a\b\f\n\r\t\v ";
	const char *letter = strchr(letters, *l->at);
	char digits[3] = { 0 }, byte;

	if (*l->at == 'x' && isxdigit((unsigned char)l->at[1]) &&
	    isxdigit((unsigned char)l->at[2])) {
		memcpy(digits, l->at + 1, 2);
		byte = (char)strtoul(digits, NULL, 16);
		l->at += 3;
	} else {
		byte = letter ? meant[letter - letters] : *l->at;
		l->at++;
	}
	if (byte)
		strbuf_add_bytes(&l->text, &byte, 1);
}

/* A backslash; quote is the quote around it, or 0. */
static void read_backslash(struct lexer *l, char quote)
{
	l->at++;
	if (*l->at == '\0')
		return;
	if (l->syntax == WORDS_SYSTEMD) {
		read_escape(l);
		return;
	}
	if (*l->at == '\n') {
		l->at++;
		return;
	}
	if (quote == '"' && !strchr("$`\"\\", *l->at))
		strbuf_add(&l->text, "\\");
	strbuf_add_bytes(&l->text, l->at++, 1);
}

/* "$HOME/" where a path begins is another way to write "~/", which stays for its reader. */
static bool read_home(struct lexer *l)
{
	static const char *const homes[] = { "$HOME/", "${HOME}/" };
	size_t before = l->text.length;

	if (l->syntax != WORDS_SHELL || (before > 0 && l->text.data[before - 1] != '='))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(homes); i++) {
		if (strncmp(l->at, homes[i], strlen(homes[i])) == 0) {
			strbuf_add(&l->text, "~");
			l->at += strlen(homes[i]) - 1;
			return true;
		}
	}
	return false;
}

static int read_quoted(struct lexer *l, struct err *err)
{
	char quote = *l->at++;

	while (*l->at && *l->at != quote) {
		if (*l->at == '\\' && (l->syntax == WORDS_SYSTEMD || quote == '"')) {
			read_backslash(l, quote);
			continue;
		}
		if (quote == '"' && read_home(l))
			continue;
		l->expands |= l->syntax == WORDS_SHELL && quote == '"' && strchr("$`", *l->at);
		strbuf_add_bytes(&l->text, l->at++, 1);
	}
	if (*l->at == '\0')
		return err_set(err, ERR_CONFIG, "a quote (%c) is not closed", quote);
	l->at++;
	return 0;
}

/* systemd separates commands by a word ";"; "\\;" is an argument. */
static bool is_separator(const struct lexer *l)
{
	return l->syntax == WORDS_SYSTEMD && l->at[0] == ';' &&
	       (l->at[1] == '\0' || strchr(BLANKS, l->at[1]));
}

static bool ends_word(const struct lexer *l)
{
	return *l->at == '\0' || strchr(BLANKS, *l->at) ||
	       (l->syntax == WORDS_SHELL && strchr(OPERATORS, *l->at));
}

static int read_word(struct lexer *l, struct err *err)
{
	while (!ends_word(l)) {
		if (*l->at == '\'' || *l->at == '"') {
			if (read_quoted(l, err) < 0)
				return -1;
		} else if (*l->at == '\\') {
			read_backslash(l, 0);
		} else if (!read_home(l)) {
			l->expands |= l->syntax == WORDS_SHELL && strchr("$`", *l->at);
			strbuf_add_bytes(&l->text, l->at++, 1);
		}
	}
	return add_word(l, false, err);
}

static int read_operator(struct lexer *l, struct err *err)
{
	size_t length = strspn(l->at, OPERATORS);

	strbuf_add_bytes(&l->text, l->at, length);
	l->at += length;
	return add_word(l, true, err);
}

int words_split(const char *text, enum words_syntax syntax, struct words *ret, struct err *err)
{
	struct lexer l = { .at = text, .syntax = syntax, .words = ret };
	int rc = 0;

	*ret = (struct words){ 0 };
	while (rc == 0) {
		l.at += strspn(l.at, BLANKS);
		if (*l.at == '\0' || (syntax == WORDS_SHELL && *l.at == '#'))
			break;
		rc = ends_word(&l) || is_separator(&l) ? read_operator(&l, err)
						       : read_word(&l, err);
	}
	strbuf_fini(&l.text);
	if (rc < 0)
		words_fini(ret);
	return rc;
}

void words_fini(struct words *words)
{
	for (size_t i = 0; i < words->count; i++)
		free(words->items[i].text);
	free(words->items);
	*words = (struct words){ 0 };
}
