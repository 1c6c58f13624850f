/* SPDX-License-Identifier: MIT */
/*
 * A systemd unit that somebody wants to import, and its command as words of systemd and of a shell.
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(freep) char *text = strndup((const char *)data, size);
	struct unit unit;

	split(text);
	/* Files it names would be read, users be looked up: not here. */
	if (strcasestr(text, "EnvironmentFile") || strcasestr(text, "User"))
		return 0;
	if (unit_parse("a@b.service", text, &unit, NULL) == 0) {
		split(unit.command);
		unit_fini(&unit);
	}
	return 0;
}
