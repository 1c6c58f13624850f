/* SPDX-License-Identifier: MIT */
/*
 * The verbs of tunctl, written once: usage is printed from this table, completions and the man page
 * are checked against it (tests/unit/test_ctl_docs.c).
 */
#include <string.h>

#include "ctl/ctl.h"
#include "lib/util.h"

#define WAITING (OPTION_BIT(OPTION_NO_WAIT) | OPTION_BIT(OPTION_TIMEOUT))
#define ALL OPTION_BIT(OPTION_ALL)
#define FORWARDS                                                                                   \
	(OPTION_BIT(OPTION_LOCAL) | OPTION_BIT(OPTION_REMOTE) | OPTION_BIT(OPTION_DYNAMIC) |       \
	 OPTION_BIT(OPTION_SET))
#define SSH_OPTIONS                                                                                \
	(FORWARDS | OPTION_BIT(OPTION_IDENTITY) | OPTION_BIT(OPTION_PORT) |                        \
	 OPTION_BIT(OPTION_LOGIN) | OPTION_BIT(OPTION_JUMP) | OPTION_BIT(OPTION_COMPRESS) |        \
	 OPTION_BIT(OPTION_CIPHERS) | OPTION_BIT(OPTION_MACS) | OPTION_BIT(OPTION_BIND) |          \
	 OPTION_BIT(OPTION_BIND_INTERFACE) | OPTION_BIT(OPTION_INET) | OPTION_BIT(OPTION_INET6))

/* clang-format off */
const struct verb verbs[] = {
	{ .name = "list", .run = run_list, .synopsis = "[-w] [--names] [NAME...]",
	  .help = "what every tunnel does, with the reason if it does not",
	  .example = "tunctl list -w",
	  .options = OPTION_BIT(OPTION_WATCH) | OPTION_BIT(OPTION_NAMES),
	  .max_operands = OPERANDS_ANY },
	{ .name = "inspect", .run = run_inspect, .synopsis = "NAME... | --daemon",
	  .help = "everything known about a tunnel, or about tunneld",
	  .example = "tunctl inspect db-prod",
	  .options = OPTION_BIT(OPTION_DAEMON), .min_operands = 1, .max_operands = OPERANDS_ANY },
	{ .name = "up", .run = run_up, .synopsis = "NAME... | --all",
	  .help = "start tunnels and wait until they are up",
	  .example = "tunctl up db-prod --timeout 10s",
	  .options = ALL | WAITING, .min_operands = 1, .max_operands = OPERANDS_ANY },
	{ .name = "auth", .run = run_auth, .synopsis = "NAME | --forget NAME | --forget --all",
	  .help = "start a tunnel and answer what it is asked: passphrases, passwords, codes",
	  .example = "tunctl auth db-prod",
	  .options = ALL | OPTION_BIT(OPTION_FORGET) | OPTION_BIT(OPTION_TIMEOUT),
	  .min_operands = 1, .max_operands = 1 },
	{ .name = "down", .run = run_down, .synopsis = "NAME... | --all",
	  .help = "stop tunnels and close their listening sockets",
	  .example = "tunctl down db-prod",
	  .options = ALL, .min_operands = 1, .max_operands = OPERANDS_ANY },
	{ .name = "restart", .run = run_restart, .synopsis = "NAME... | --all",
	  .help = "connect afresh; listening sockets stay open",
	  .example = "tunctl restart db-prod",
	  .options = ALL | WAITING, .min_operands = 1, .max_operands = OPERANDS_ANY },
	{ .name = "add", .run = run_add, .synopsis = "NAME [-L SPEC]... [-R SPEC]... [-D SPEC]... [USER@]HOST",
	  .help = "add a tunnel, in ssh's letters; it stays until dropped",
	  .example = "tunctl add db -L 5432:db.internal:5432 -i ~/.ssh/tunnel_ed25519 me@bastion.example.com",
	  .options = SSH_OPTIONS | WAITING,
	  .ssh_letters = true, .min_operands = 2, .max_operands = 2 },
	{ .name = "forward", .run = run_forward, .synopsis = "NAME add|drop [-L SPEC]... [-R SPEC]... [-D SPEC]...",
	  .help = "add forwards to a tunnel that runs, or end them",
	  .example = "tunctl forward db add -L 6379:cache.internal:6379 -D 1080",
	  .options = FORWARDS, .min_operands = 2, .max_operands = 2 },
	{ .name = "drop", .run = run_drop, .synopsis = "NAME...",
	  .help = "end and forget tunnels that were added",
	  .example = "tunctl drop db",
	  .min_operands = 1, .max_operands = OPERANDS_ANY },
	{ .name = "connections", .run = run_connections, .synopsis = "[-w] [NAME...]",
	  .help = "who is connected to what through which tunnel",
	  .example = "tunctl connections db-prod",
	  .options = OPTION_BIT(OPTION_WATCH), .max_operands = OPERANDS_ANY },
	{ .name = "kill", .run = run_kill, .synopsis = "ID...",
	  .help = "end connections; 'connections' shows their ids",
	  .example = "tunctl kill 3-217",
	  .min_operands = 1, .max_operands = OPERANDS_ANY },
	{ .name = "nc", .run = run_nc, .synopsis = "NAME HOST:PORT | NAME HOST PORT | NAME /SOCKET",
	  .help = "tie standard input and output to a connection through a tunnel",
	  .example = "ssh -o ProxyCommand='tunctl nc bastion %h %p' me@internal",
	  .min_operands = 2, .max_operands = 3 },
	{ .name = "import", .run = run_import,
	  .synopsis = "[--name NAME] [ssh ... | autossh ... | --unit FILE | --ssh-config HOST]",
	  .help = "print the YAML for a line of ssh, a unit, a crontab or a host of ~/.ssh/config",
	  .example = "tunctl import ssh -fN -L 5432:db:5432 me@host > ~/.config/tunneld/tunnels.d/db.yaml",
	  .options = OPTION_BIT(OPTION_NAME) | OPTION_BIT(OPTION_UNIT) | OPTION_BIT(OPTION_SSH_CONFIG),
	  .command = true, .max_operands = OPERANDS_ANY },
	{ .name = "hostkey", .run = run_hostkey, .synopsis = "show NAME | accept NAME --fingerprint SHA256:...",
	  .help = "which keys the servers of a tunnel have shown; accept one",
	  .example = "tunctl hostkey accept db-prod --fingerprint SHA256:QPDstIYmTdA5AQOcYgTeXfW0zcLMLwbFHEQO8mDiSWY",
	  .options = OPTION_BIT(OPTION_FINGERPRINT) | WAITING, .min_operands = 2, .max_operands = 2 },
	{ .name = "reload", .run = run_reload, .synopsis = "",
	  .help = "read the configuration again and apply what changed" },
	{ .name = "version", .run = run_version, .synopsis = "",
	  .help = "the versions of tunctl and of the running tunneld" },
};
/* clang-format on */

const size_t verb_count = ARRAY_SIZE(verbs);

const struct verb *verb_find(const char *name, struct failure *f)
{
	const char *names[ARRAY_SIZE(verbs)], *near;

	for (size_t i = 0; i < verb_count; i++) {
		names[i] = verbs[i].name;
		if (strcmp(name, verbs[i].name) == 0)
			return &verbs[i];
	}
	near = str_suggest(name, names, verb_count);
	if (near)
		failure_set(f, EXIT_USAGE, ERR_USAGE, "unknown verb '%s'; did you mean '%s'?", name,
			    near);
	else
		failure_set(f, EXIT_USAGE, ERR_USAGE, "unknown verb '%s'", name);
	failure_hint(f, "'tunctl --help' lists the verbs");
	return NULL;
}

static void print_options(FILE *to, unsigned options)
{
	for (int id = 0; id < OPTION_COUNT; id++) {
		const struct option_row *row = &option_rows[id];
		char left[64];

		if (!(options & OPTION_BIT(id)))
			continue;
		snprintf(left, sizeof(left), "%s%c%s%s%s%s%s", row->letter ? "-" : "",
			 row->letter ? row->letter : ' ', row->letter && row->name ? ", " : "",
			 row->name ? "--" : "", row->name ? row->name : "", row->value ? " " : "",
			 row->value ? row->value : "");
		fprintf(to, "  %-26s %s\n", left + (row->letter ? 0 : 1), row->help);
	}
}

void verbs_usage(FILE *to)
{
	fputs("usage: tunctl [-s SOCKET] [--json] VERB ...\n\n"
	      "Shows and steers the SSH tunnels that tunneld keeps alive.\n\n",
	      to);
	for (size_t i = 0; i < verb_count; i++)
		fprintf(to, "  %-12s %s\n", verbs[i].name, verbs[i].help);
	fputs("\noptions, before or after the verb:\n", to);
	print_options(to, OPTION_GLOBAL | OPTION_BIT(OPTION_VERSION));
	fputs("\n'tunctl VERB --help' shows the options of a verb. Exit codes: 0 ok, 1 failed, 2 "
	      "usage,\n"
	      "3 no such tunnel, 4 tunneld is not reachable, 5 timed out.\n",
	      to);
}

void verb_usage(FILE *to, const struct verb *verb)
{
	fprintf(to, "usage: tunctl %s%s%s\n\n  %s\n\noptions:\n", verb->name,
		*verb->synopsis ? " " : "", verb->synopsis, verb->help);
	print_options(to, verb->options);
	if (verb->ssh_letters)
		fputs("  -N, -T, -n, -f ...         read over, so that a line written for ssh can "
		      "be pasted\n",
		      to);
	print_options(to, OPTION_GLOBAL);
	if (verb->example)
		fprintf(to, "\nexample:\n  %s\n", verb->example);
}
