/* SPDX-License-Identifier: MIT */
/*
 * What a systemd unit says about the one command it keeps running: enough of systemd.service(5) and
 * systemd.exec(5) to read the units people write for autossh.
 */
#pragma once

#include "lib/err.h"
#include "lib/util.h"

struct unit {
	char *name; /* without ".service" */
	char *command; /* the last ExecStart=, without its prefix; specifiers expanded */
	char *user; /* NULL: not said */
	char *home; /* of user; NULL: not known */
	char *directory; /* NULL: not said */
	struct strv environment; /* NAME=VALUE, what comes later wins */
	struct strv comments; /* what was not understood */
};

/* Of path the last part is the unit's name; where there is no such file, the template's is read. */
int unit_read(const char *path, struct unit *ret, struct err *err);
/* The same from its text. */
int unit_parse(const char *name, const char *text, struct unit *ret, struct err *err);
void unit_fini(struct unit *unit);

/* NULL: not set. */
const char *unit_variable(const struct unit *unit, const char *name, size_t length);
