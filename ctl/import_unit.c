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

/* A unit, and what is the same for all its commands. */
struct importing {
	struct import *import;
	const struct unit *unit;
	const char *name; /* of its tunnels */
	struct failure *f;
};

/* Who runs a command of the unit; NULL: whoever reads the result. */
static const char *user_of(const struct unit *unit, bool is_privileged)
{
	if (unit->of_user)
		return NULL;
	return unit->user && !is_privileged ? unit->user : "root";
}

static int import_one(struct importing *i, const struct words *words, size_t first, size_t end)
{
	const struct unit *unit = i->unit;
	struct unit_command c;
	int rc = unit_command_init(&c, unit, words, first, end) < 0 ? failure_nomem(i->f) : 0;
	const char *user = user_of(unit, c.is_privileged);
	bool is_root = user && strcmp(user, "root") == 0;
	CLEANUP(freep)
	char *hint = str_printf("the keys and known_hosts of '%s' are not found by themselves; "
				"name them with identity and known_hosts",
				user ? user : "");
	struct import_source source = {
		.name = i->name,
		.user = user,
		.home = is_root              ? "/root"
			: user && unit->home ? unit->home
					     : "~",
		.directory = unit->directory ? unit->directory
			     : unit->of_user ? "~"
					     : "",
		.environment = &unit->environment,
		.comments = &c.comments,
		.keys_hint = user ? hint : NULL,
	};

	if (rc == 0 && !hint)
		rc = failure_nomem(i->f);
	if (rc == 0)
		rc = import_command(i->import, &source, (int)c.argv.count, c.argv.items, i->f);
	unit_command_fini(&c);
	return rc;
}

/* What is left out, and why. */
static int leave_out(struct importing *i, const char *command)
{
	CLEANUP(freep) char *why = str_printf("ExecStart=%s (%s)", command, i->f->message);

	return why && strv_add(&i->import->left_out, why) == 0 ? 0 : failure_nomem(i->f);
}

/* All of one ExecStart=; they are separated by ";". */
static int import_line_of(struct importing *i, const char *line)
{
	struct words words;
	struct err err;
	int rc = 0;

	if (words_split(line, WORDS_SYSTEMD, &words, &err) < 0)
		return failure_set(i->f, EXIT_FAILED, err.code, "ExecStart=: %s", err.msg);
	for (size_t first = 0, end; first < words.count && rc == 0; first = end + 1) {
		for (end = first; end < words.count && !words.items[end].is_operator;)
			end++;
		if (end > first && import_one(i, &words, first, end) < 0)
			rc = leave_out(i, line);
	}
	words_fini(&words);
	return rc;
}

static int import_commands(struct importing *i)
{
	struct import *import = i->import;

	for (size_t j = 0; j < i->unit->commands.count; j++) {
		if (import_line_of(i, i->unit->commands.items[j]) < 0)
			return -1;
	}
	if (json_object_size(import->tunnels) > 0)
		return 0;
	/* The reason for the first is as good as any. */
	return failure_set(i->f, EXIT_FAILED, ERR_CONFIG, "%s",
			   import->left_out.count ? import->left_out.items[0]
						  : "ExecStart= has no command");
}

int import_unit(struct import *import, const struct strv *paths, const char *name,
		struct failure *f)
{
	struct unit unit;
	struct importing i = { .import = import, .unit = &unit, .f = f };
	struct err err;
	CLEANUP(freep) char *derived = NULL;
	int rc;

	if (unit_read(paths, &unit, &err) < 0)
		return failure_set(f, EXIT_FAILED, err.code, "%s", err.msg);
	derived = unit_tunnel_name(unit.name);
	i.name = name ? name : derived;
	rc = derived ? import_commands(&i) : failure_nomem(f);
	unit_fini(&unit);
	return rc;
}
