/* SPDX-License-Identifier: MIT */
/*
 * A systemd unit that keeps ssh or autossh running (systemd.service(5)).
 */
#include <stdlib.h>
#include <string.h>

#include "ctl/import.h"
#include "ctl/unit.h"
#include "ctl/words.h"
#include "lib/str.h"

/* Puts the words of a value, or the value itself. */
static int add_value(struct strv *argv, const char *value)
{
	CLEANUP(freep) char *copy = strdup(value);
	char *rest = copy, *word;
	int rc = copy ? 0 : -1;

	while (rc == 0 && (word = strsep(&rest, " \t\n"))) {
		if (*word)
			rc = strv_add(argv, word);
	}
	return rc;
}

/* "$NAME" and "${NAME}" at text: its length, and the name. 0: it is none. */
static size_t variable_at(const char *text, const char **ret_name, size_t *ret_length)
{
	bool braces = text[1] == '{';
	const char *name = text + 1 + braces;
	size_t length = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_"
				     "0123456789");

	if (length == 0 || (braces && name[length] != '}'))
		return 0;
	*ret_name = name;
	*ret_length = length;
	return 1 + braces + length + braces;
}

/* systemd.service(5): "$NAME" as a word of its own is split, "${NAME}" never is. */
static int add_unit_word(const struct unit *unit, struct strv *argv, const char *word)
{
	struct strbuf text = { 0 };
	CLEANUP(freep) char *whole = NULL;

	for (const char *at = word; *at;) {
		const char *name, *value;
		size_t length, skip = *at == '$' ? variable_at(at, &name, &length) : 0;

		value = skip ? unit_variable(unit, name, length) : NULL;
		if (skip && at == word && !word[skip] && word[1] != '{')
			return add_value(argv, value ? value : "");
		if (skip)
			strbuf_add(&text, value ? value : "");
		else
			strbuf_add_bytes(&text, at, 1);
		at += skip ? skip : strncmp(at, "$$", 2) == 0 ? 2 : 1;
	}
	whole = strbuf_take(&text);
	return whole ? strv_add(argv, whole) : -1;
}

static int unit_words(const struct unit *unit, struct strv *argv, struct failure *f)
{
	struct words words;
	struct err err;
	int rc = 0;

	if (words_split(unit->command, WORDS_SYSTEMD, &words, &err) < 0)
		return failure_set(f, EXIT_FAILED, err.code, "ExecStart=: %s", err.msg);
	for (size_t i = 0; i < words.count && rc == 0; i++)
		rc = add_unit_word(unit, argv, words.items[i].text);
	words_fini(&words);
	return rc < 0 ? failure_nomem(f) : 0;
}

/* "autossh-db@a" is about "db-a". The caller frees. */
static char *unit_tunnel_name(const char *unit)
{
	static const char *const prefixes[] = { "autossh-", "autossh@", "ssh-tunnel-", "tunnel-" };

	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
		size_t length = strlen(prefixes[i]);

		if (strncmp(unit, prefixes[i], length) == 0 && unit[length])
			return strdup(unit + length);
	}
	return strdup(unit);
}

int import_unit(struct import *import, const char *path, const char *name, struct failure *f)
{
	struct unit unit;
	struct strv argv = { 0 };
	struct err err;
	bool of_system = !strstr(path, "/user/");
	CLEANUP(freep) char *derived = NULL;
	CLEANUP(freep) char *hint = NULL;
	int rc;

	if (unit_read(path, &unit, &err) < 0)
		return failure_set(f, EXIT_FAILED, err.code, "%s", err.msg);
	derived = unit_tunnel_name(unit.name);
	hint = str_printf("the keys and known_hosts of '%s' are not found by themselves; name them "
			  "with identity and known_hosts",
			  unit.user ? unit.user : "root");
	rc = derived && hint ? unit_words(&unit, &argv, f) : failure_nomem(f);
	if (rc == 0) {
		struct import_source source = {
			.name = name ? name : derived,
			.user = unit.user   ? unit.user
				: of_system ? "root"
					    : NULL,
			.home = unit.home                 ? unit.home
				: of_system && !unit.user ? "/root"
							  : "~",
			.directory = unit.directory ? unit.directory
				     : of_system    ? ""
						    : "~",
			.environment = &unit.environment,
			.comments = &unit.comments,
			.keys_hint = of_system ? hint : NULL,
		};

		rc = import_command(import, &source, (int)argv.count, argv.items, f);
	}
	strv_fini(&argv);
	unit_fini(&unit);
	return rc;
}
