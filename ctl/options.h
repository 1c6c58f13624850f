/* SPDX-License-Identifier: MIT */
/*
 * The command line. Options are one table (options.c); a verb says which of them it takes, the
 * global ones are taken everywhere, before or after the verb. Reading a command line has no side
 * effects.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "ctl/failure.h"
#include "lib/util.h"

enum option_id {
	OPTION_SOCKET,
	OPTION_JSON,
	OPTION_HELP,
	OPTION_VERSION,
	OPTION_ALL,
	OPTION_NO_WAIT,
	OPTION_TIMEOUT,
	OPTION_WATCH,
	OPTION_NAMES,
	OPTION_DAEMON,
	OPTION_LOCAL,
	OPTION_REMOTE,
	OPTION_DYNAMIC,
	OPTION_IDENTITY,
	OPTION_PORT,
	OPTION_LOGIN,
	OPTION_JUMP,
	OPTION_COMPRESS,
	OPTION_CIPHERS,
	OPTION_MACS,
	OPTION_BIND,
	OPTION_BIND_INTERFACE,
	OPTION_INET,
	OPTION_INET6,
	OPTION_SET,
	OPTION_NAME,
	OPTION_UNIT,
	OPTION_SSH_CONFIG,
	OPTION_FINGERPRINT,
	OPTION_FORGET,
	OPTION_COUNT
};

#define OPTION_BIT(id) (1u << (id))
#define OPTION_GLOBAL                                                                              \
	(OPTION_BIT(OPTION_SOCKET) | OPTION_BIT(OPTION_JSON) | OPTION_BIT(OPTION_HELP))

struct option_row {
	char letter; /* 0: none */
	const char *name; /* NULL: none */
	const char *value; /* what usage calls its value; NULL: it takes none */
	const char *help;
};

extern const struct option_row option_rows[OPTION_COUNT];

/* The letters of ssh (and autossh) that `add` reads over or refuses. */
struct ssh_letter {
	char letter;
	bool takes_value;
	const char *refusal; /* NULL: harmless, read over */
};

extern const struct ssh_letter ssh_letters[];
extern const size_t ssh_letter_count;

struct option_value {
	enum option_id id;
	const char *value; /* NULL for an option without; borrowed from argv */
};

struct verb;

struct args {
	const struct verb *verb; /* NULL: none was named */
	unsigned given; /* OPTION_BIT()s */
	struct option_value *values; /* in the order they were given */
	size_t value_count;
	const char **operands; /* without the verb; borrowed from argv */
	size_t operand_count;
};

/* -1: not a command line of ours; f says why. */
int args_parse(struct args *ret, int argc, char *const *argv, struct failure *f);
/* What stands behind the word ssh or autossh (argv[0]), read as for `add`: options, the host, more
 * options, a command. Operands: "", the host, the words of the command. What is refused there is a line
 * in comments here. */
int args_parse_ssh(struct args *ret, int argc, char *const *argv, bool is_autossh,
		   struct strv *comments, struct failure *f);
void args_fini(struct args *args);

bool args_has(const struct args *args, enum option_id id);
/* The last value given, NULL when there is none. */
const char *args_value(const struct args *args, enum option_id id);
