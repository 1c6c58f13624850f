/* SPDX-License-Identifier: MIT */
/*
 * A systemd unit that somebody wants to import, its commands, a file of its variables, and lines as words
 * of systemd and of a shell.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/unit.h"
#include "ctl/words.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void split(const char *text)
{
	struct words words;

	for (int syntax = WORDS_SHELL; syntax <= WORDS_SYSTEMD; syntax++) {
		if (words_split(text, (enum words_syntax)syntax, &words, NULL) == 0)
			words_fini(&words);
	}
}

static void make_command(const struct unit *unit, const char *text)
{
	struct unit_command c;
	struct words words;

	if (words_split(text, WORDS_SYSTEMD, &words, NULL) < 0)
		return;
	if (unit_command_init(&c, unit, &words, 0, words.count) < 0)
		abort();
	unit_command_fini(&c);
	words_fini(&words);
}

static void read_environment(const char *text)
{
	struct strv variables = { 0 };

	if (unit_read_environment(text, &variables) < 0)
		abort();
	strv_fini(&variables);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(freep) char *text = strndup((const char *)data, size);
	struct unit unit;

	split(text);
	read_environment(text);
	/* Files it names would be read, users be looked up: not here. */
	if (strcasestr(text, "EnvironmentFile") || strcasestr(text, "User"))
		return 0;
	if (unit_parse("a@b", size % 2, text, &unit, NULL) == 0) {
		for (size_t i = 0; i < unit.commands.count; i++)
			make_command(&unit, unit.commands.items[i]);
		unit_fini(&unit);
	}
	return 0;
}
