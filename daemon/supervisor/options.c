/* SPDX-License-Identifier: MIT */
#include "daemon/supervisor/options.h"

#include <getopt.h>
#include <string.h>

#include "lib/util.h"

enum { OPT_STATE_DIR = 256, OPT_SYSTEM, OPT_USER, OPT_CHECK, OPT_VERSION, OPT_SCHEMA };

/* The help text is printed from this table, in this order. */
static const struct {
	const char *name;
	int code; /* a letter: there is a short form */
	const char *argument; /* NULL: takes none */
	const char *help;
} rows[] = {
	{ "config", 'c', "FILE", "read FILE instead of the instance's configuration" },
	{ "socket", 's', "SOCKET", "listen on SOCKET for tunctl" },
	{ "state-dir", OPT_STATE_DIR, "DIR", "keep added tunnels in DIR" },
	{ "system", OPT_SYSTEM, NULL,
	  "the system's instance (the default for root): /etc/tunneld" },
	{ "user", OPT_USER, NULL, "the user's instance: ~/.config/tunneld" },
	{ "check", OPT_CHECK, NULL, "read the configuration, say what is wrong with it, and end" },
	{ "print-schema", OPT_SCHEMA, "json|reference", "print what a configuration may say" },
	{ "version", OPT_VERSION, NULL, "print the version" },
	{ "help", 'h', NULL, "print this" },
};

void options_print_help(FILE *out)
{
	fputs("Usage: tunneld [OPTION]...\n"
	      "Keeps the SSH tunnels of a configuration file alive. Stays in the foreground.\n\n",
	      out);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char left[48];

		snprintf(left, sizeof(left), "%s%c%s--%s%s%s", rows[i].code < 256 ? "-" : " ",
			 rows[i].code < 256 ? rows[i].code : ' ', rows[i].code < 256 ? ", " : "  ",
			 rows[i].name, rows[i].argument ? " " : "",
			 rows[i].argument ? rows[i].argument : "");
		fprintf(out, "  %-34s %s\n", left, rows[i].help);
	}
	fputs("\nSee tunneld(8), tunneld.yaml(5) and tunctl(1).\n", out);
}

static int set_schema(struct options *o, const char *kind, struct err *err)
{
	if (strcmp(kind, "json") == 0)
		o->mode = MODE_SCHEMA_JSON;
	else if (strcmp(kind, "reference") == 0)
		o->mode = MODE_SCHEMA_REFERENCE;
	else
		return err_set(err, ERR_USAGE,
			       "--print-schema takes 'json' or 'reference', not '%s'", kind);
	return 0;
}

static int apply(struct options *o, int code, const char *argument, struct err *err)
{
	switch (code) {
	case 'c':
		o->config = argument;
		return 0;
	case 's':
		o->socket = argument;
		return 0;
	case OPT_STATE_DIR:
		o->state_dir = argument;
		return 0;
	case OPT_SYSTEM:
	case OPT_USER:
		o->is_system = code == OPT_SYSTEM;
		return 0;
	case OPT_CHECK:
		o->mode = MODE_CHECK;
		return 0;
	case OPT_VERSION:
		o->mode = MODE_VERSION;
		return 0;
	case 'h':
		o->mode = MODE_HELP;
		return 0;
	case OPT_SCHEMA:
		return set_schema(o, argument, err);
	default:
		return err_set(err, ERR_USAGE, "unknown option");
	}
}

static int complain(int code, char **argv, struct err *err)
{
	const char *word = argv[optind - 1];

	if (code == ':')
		return err_set(err, ERR_USAGE, "'%s' needs an argument", word);
	return err_set(err, ERR_USAGE, "unknown option '%s'; tunneld --help lists them", word);
}

int options_parse(int argc, char **argv, bool is_root, struct options *ret, struct err *err)
{
	struct option longs[ARRAY_SIZE(rows) + 1] = { 0 };
	int code;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		longs[i] = (struct option){ rows[i].name, rows[i].argument != NULL, NULL,
					    rows[i].code };
	*ret = (struct options){ .is_system = is_root };
	optind = 0; /* getopt(3) of glibc: begin anew */
	while ((code = getopt_long(argc, argv, ":c:s:h", longs, NULL)) >= 0) {
		if (code == ':' || code == '?')
			return complain(code, argv, err);
		if (apply(ret, code, optarg, err) < 0)
			return -1;
	}
	if (optind < argc)
		return err_set(err, ERR_USAGE, "unexpected argument '%s'; tunneld --help shows how",
			       argv[optind]);
	return 0;
}
