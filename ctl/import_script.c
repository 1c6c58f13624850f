/* SPDX-License-Identifier: MIT */
/*
 * Command lines as they stand in crontabs and scripts, one a line. A line that runs no ssh is left out,
 * with the reason.
 */
#include <stdlib.h>
#include <string.h>

#include "ctl/import.h"
#include "lib/str.h"

/* What stands behind "@reboot" or the five fields of a crontab; *ret_is_cron: they are there. */
static const char *skip_schedule(const char *line, bool *ret_is_cron)
{
	const char *at = line;
	size_t fields = *line == '@' ? 1 : 5;

	*ret_is_cron = false;
	for (size_t i = 0; i < fields; i++) {
		size_t length = strcspn(at, " \t");

		if (*line != '@' && strspn(at, "0123456789*,/-") != length)
			return line;
		at += length + strspn(at + length, " \t");
	}
	*ret_is_cron = true;
	return at;
}

/* In /etc/crontab the next word is a user. The caller frees; NULL: it is none. */
static char *take_user(const char **text)
{
	static const char *const programs[] = { "ssh",   "autossh", "env",   "exec", "nohup",
						"sudo",  "setsid",  "sh",    "bash", "dash",
						"flock", "sleep",   "pgrep", NULL };
	size_t length = strcspn(*text, " \t");
	CLEANUP(freep) char *word = strndup(*text, length);

	if (!word || strpbrk(word, "/=;&|'\"$"))
		return NULL;
	for (const char *const *program = programs; *program; program++) {
		if (strcmp(*program, word) == 0)
			return NULL;
	}
	*text += length + strspn(*text + length, " \t");
	return TAKE(word);
}

static int import_entry(struct import *import, const struct import_source *source, const char *line,
			struct failure *f)
{
	struct import_source of_entry = *source;
	bool is_cron;
	const char *text = skip_schedule(line, &is_cron);
	CLEANUP(freep) char *user = is_cron ? take_user(&text) : NULL;

	of_entry.user = user ? user : source->user;
	return import_line(import, &of_entry, text, f);
}

/* Joins lines that end with a backslash. */
static void join_lines(char *text)
{
	for (char *at = text; (at = strstr(at, "\\\n"));)
		at[0] = at[1] = ' ';
}

int import_script(struct import *import, const struct import_source *source, const char *text,
		  struct failure *f)
{
	CLEANUP(freep) char *copy = strdup(text);
	char *rest = copy, *line;

	if (!copy)
		return failure_nomem(f);
	join_lines(copy);
	while ((line = strsep(&rest, "\n"))) {
		CLEANUP(freep) char *why = NULL;

		line += strspn(line, " \t\r");
		if (*line == '\0' || *line == '#' || import_entry(import, source, line, f) == 0)
			continue;
		why = str_printf("%s (%s)", line, f->message);
		if (!why || strv_add(&import->left_out, why) < 0)
			return failure_nomem(f);
	}
	if (json_object_size(import->tunnels) > 0)
		return 0;
	return failure_set(f, EXIT_FAILED, ERR_CONFIG, "%s",
			   import->left_out.count == 0 ? "there is no command line to read"
						       : import->left_out.items[0]);
}
