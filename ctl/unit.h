/* SPDX-License-Identifier: MIT */
/*
 * What a systemd unit says about the commands it keeps running: enough of systemd.service(5),
 * systemd.exec(5) and systemd.unit(5) to read the units people write for autossh. unit.c reads the lines,
 * unit_specifier.c expands "%i", unit_environment.c reads the files of EnvironmentFile=,
 * unit_dropin.c finds the drop-ins, and unit_command.c makes words of an ExecStart=. Private to unit*.c and import_unit.c.
 */
#pragma once

#include <stdbool.h>

#include "ctl/words.h"
#include "lib/err.h"
#include "lib/util.h"

struct unit {
	char *name; /* without ".service" */
	bool of_user; /* runs in a user's service manager; their home is "~" */
	struct strv commands; /* ExecStart= as it stands there, at least one */
	char *user; /* NULL: not said */
	char *home; /* of user; NULL: not known */
	char *directory; /* NULL: not said */
	struct strv environment; /* NAME=VALUE, what comes later wins */
	struct strv comments; /* what was not understood */
};

/* The unit, the drop-ins beside it, and those that are named behind it, in their order. Of the first path the
 * last part is the unit's name; where there is no such file, the template's is read. */
int unit_read(const struct strv *paths, struct unit *ret, struct err *err);
/* The same from the text of all. */
int unit_parse(const char *name, bool of_user, const char *text, struct unit *ret, struct err *err);
void unit_fini(struct unit *unit);

/* With its specifiers expanded; those that mean nothing here are left, with a comment. The caller frees;
 * NULL: no memory. */
char *unit_expand(const struct unit *unit, const char *text, struct strv *comments);

/* Adds the drop-ins beside the file of a unit, sorted as they are read. */
int unit_find_drop_ins(const char *unit, struct strv *to, struct err *err);

/* Adds the variables of a file of EnvironmentFile= as NAME=VALUE. -1: no memory. */
int unit_read_environment(const char *text, struct strv *to);

/* One command of an ExecStart=, which may have several. */
struct unit_command {
	struct strv argv;
	bool is_privileged; /* User= is not about it */
	struct strv comments;
};

/* What stands in words from first to end. -1: no memory. */
int unit_command_init(struct unit_command *c, const struct unit *unit, const struct words *words,
		      size_t first, size_t end);
void unit_command_fini(struct unit_command *c);
