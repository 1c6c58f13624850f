/* SPDX-License-Identifier: MIT */
/*
 * A command of systemd.service(5), "Command lines": prefixes of its path, specifiers, variables.
 */
#include <stdlib.h>
#include <string.h>

#include "ctl/unit.h"
#include "lib/str.h"

/* What stands before the path. */
struct prefixes {
	bool is_named; /* @: the next word is what the process is called */
	bool is_literal; /* :: variables are not replaced */
	bool is_privileged; /* + or !, but not !!, which has no effect today */
	bool has_shell; /* |: of the user, as after a login */
};

static const char *skip_prefixes(const char *word, struct prefixes *ret)
{
	size_t length = strspn(word, "@-:+!|");
	unsigned marks = 0;

	*ret = (struct prefixes){ 0 };
	for (size_t i = 0; i < length; i++) {
		ret->is_named |= word[i] == '@';
		ret->is_literal |= word[i] == ':';
		ret->has_shell |= word[i] == '|';
		ret->is_privileged |= word[i] == '+';
		marks += word[i] == '!';
	}
	ret->is_privileged |= marks == 1;
	return word + length;
}

static int add_comment(struct unit_command *c, const char *before, const char *name, size_t length,
		       const char *after)
{
	CLEANUP(freep) char *text = str_printf("%s%.*s%s", before, (int)length, name, after);

	return text ? strv_add(&c->comments, text) : -1;
}

/* What systemd sets by itself for a service with a user. */
static const char *own_variable(const struct unit *unit, const char *name, size_t length)
{
	if (length == 4 && strncmp(name, "HOME", length) == 0)
		return unit->of_user ? "~" : unit->home;
	if ((length == 4 && strncmp(name, "USER", length) == 0) ||
	    (length == 7 && strncmp(name, "LOGNAME", length) == 0))
		return unit->user;
	return NULL;
}

/* Where it is not set, it is nothing, with a comment. NULL: no memory. */
static const char *variable(struct unit_command *c, const struct unit *unit, const char *name,
			    size_t length)
{
	const char *own;

	for (size_t i = unit->environment.count; i-- > 0;) {
		const char *set = unit->environment.items[i];

		if (strncmp(set, name, length) == 0 && set[length] == '=')
			return set + length + 1;
	}
	own = own_variable(unit, name, length);
	if (own)
		return own;
	return add_comment(c, "the unit does not set $", name, length, "") < 0 ? NULL : "";
}

/* "$NAME" as a word of its own becomes words, or none. */
static int add_split(struct unit_command *c, const char *value)
{
	struct words words;
	struct err err;
	int rc = 0;

	if (words_split(value, WORDS_SYSTEMD, &words, &err) < 0)
		return err.code == ERR_CONFIG ? strv_add(&c->argv, value) : -1;
	for (size_t i = 0; i < words.count && rc == 0; i++)
		rc = strv_add(&c->argv, words.items[i].text);
	words_fini(&words);
	return rc;
}

/* "${NAME}" within a word is never split; "$NAME" there, and what is no name, stay what they are. */
static int add_replaced(struct unit_command *c, const struct unit *unit, const char *word)
{
	struct strbuf text = { 0 };
	CLEANUP(freep) char *whole = NULL;

	while (*word) {
		size_t length = strncmp(word, "${", 2) == 0 ? strcspn(word, "}") : 0;
		const char *value;

		if (length > 0 && word[length] == '}') {
			value = variable(c, unit, word + 2, length - 2);
			text.failed |= !value;
			strbuf_add(&text, value ? value : "");
			word += length + 1;
			continue;
		}
		strbuf_add_bytes(&text, word, 1);
		word += strncmp(word, "$$", 2) == 0 ? 2 : 1;
	}
	whole = strbuf_take(&text);
	return whole ? strv_add(&c->argv, whole) : -1;
}

static int add_word(struct unit_command *c, const struct unit *unit, const char *word)
{
	const char *value;

	if (word[0] != '$' || word[1] == '$' || word[1] == '{' || word[1] == '\0')
		return add_replaced(c, unit, word);
	value = variable(c, unit, word + 1, strlen(word + 1));
	return value ? add_split(c, value) : -1;
}

int unit_command_init(struct unit_command *c, const struct unit *unit, const struct words *words,
		      size_t first, size_t end)
{
	struct prefixes prefixes;
	const char *path = skip_prefixes(words->items[first].text, &prefixes);
	size_t next = first + (prefixes.is_named ? 2 : 1);
	int rc = 0;

	*c = (struct unit_command){ .is_privileged = prefixes.is_privileged };
	if (strv_copy(&c->comments, &unit->comments) < 0)
		return -1;
	if (prefixes.has_shell)
		rc = add_comment(c, "what a login shell would set (ExecStart=|) is not there", "",
				 0, "");
	for (size_t i = first; i < end && rc == 0; i = i == first ? next : i + 1) {
		const char *text = i == first ? path : words->items[i].text;
		CLEANUP(freep) char *word = unit_expand(unit, text, &c->comments);

		if (!word)
			rc = -1;
		else if (i == first || prefixes.is_literal)
			rc = strv_add(&c->argv, word);
		else
			rc = add_word(c, unit, word);
	}
	return rc;
}

void unit_command_fini(struct unit_command *c)
{
	strv_fini(&c->argv);
	strv_fini(&c->comments);
	*c = (struct unit_command){ 0 };
}
