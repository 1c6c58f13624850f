/* SPDX-License-Identifier: MIT */
#include "ctl/options.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/ctl.h"
#include "lib/str.h"
#include "lib/util.h"

const struct option_row option_rows[OPTION_COUNT] = {
	[OPTION_SOCKET] = { 's', "socket", "SOCKET", "the control socket of the tunneld meant" },
	[OPTION_JSON] = { 0, "json", NULL, "answer in JSON, for programs" },
	[OPTION_HELP] = { 'h', "help", NULL, "show this help" },
	[OPTION_VERSION] = { 'V', "version", NULL, "show the version of tunctl" },
	[OPTION_ALL] = { 0, "all", NULL, "every tunnel" },
	[OPTION_NO_WAIT] = { 0, "no-wait", NULL, "do not wait until it is up" },
	[OPTION_TIMEOUT] = { 0, "timeout", "DURATION", "how long to wait (30s)" },
	[OPTION_WATCH] = { 'w', "watch", NULL, "redraw every second until interrupted" },
	[OPTION_NAMES] = { 0, "names", NULL, "only the names, one a line" },
	[OPTION_DAEMON] = { 0, "daemon", NULL, "tunneld itself and its workers" },
	[OPTION_LOCAL] = { 'L', NULL, "[BIND:]PORT:HOST:PORT",
			   "listen here, connect from there; may be repeated" },
	[OPTION_REMOTE] = { 'R', NULL, "[BIND:]PORT:HOST:PORT",
			    "listen there, connect from here; may be repeated" },
	[OPTION_DYNAMIC] = { 'D', NULL, "[BIND:]PORT",
			     "listen here as a SOCKS and HTTP proxy; may be repeated" },
	[OPTION_IDENTITY] = { 'i', NULL, "KEYFILE", "a private key; may be repeated" },
	[OPTION_PORT] = { 'p', NULL, "PORT", "of the SSH server (22)" },
	[OPTION_LOGIN] = { 'l', NULL, "USER", "the user to be there" },
	[OPTION_JUMP] = { 'J', NULL, "[USER@]HOST[:PORT]",
			  "a server to go through; several with commas" },
	[OPTION_COMPRESS] = { 'C', NULL, NULL, "ask the server to compress" },
	[OPTION_CIPHERS] = { 'c', NULL, "CIPHERS", "in order of preference" },
	[OPTION_MACS] = { 'm', NULL, "MACS", "message authentication codes, likewise" },
	[OPTION_BIND] = { 'b', NULL, "ADDRESS", "an address of this machine to connect from" },
	[OPTION_BIND_INTERFACE] = { 'B', NULL, "INTERFACE", "or an interface" },
	[OPTION_INET] = { '4', NULL, NULL, "only the server's IPv4 addresses" },
	[OPTION_INET6] = { '6', NULL, NULL, "only the server's IPv6 addresses" },
	[OPTION_SET] = { 'o', NULL, "KEY=VALUE",
			 "any key of tunneld.yaml (keepalive.interval=5s), or ssh's name for it" },
	[OPTION_NAME] = { 0, "name", "NAME", "what the tunnel is called (after its host)" },
	[OPTION_UNIT] = { 0, "unit", "FILE",
			  "a systemd unit that runs ssh or autossh; drop-ins from elsewhere behind it" },
	[OPTION_SSH_CONFIG] = { 0, "ssh-config", "HOST", "what ~/.ssh/config says about HOST" },
	[OPTION_FINGERPRINT] = { 0, "fingerprint", "SHA256:...", "of the key that is meant" },
	[OPTION_FORGET] = { 0, "forget", NULL,
			    "wipe what was told for it instead; the next login asks again" },
};

#define NOT_YET "is not supported by this version of tunneld"
#define NO_SHELL "needs a command on the server, and a tunnel runs none"

const struct ssh_letter ssh_letters[] = {
	{ 'N', false, NULL },
	{ 'T', false, NULL },
	{ 'n', false, NULL },
	{ 'f', false, NULL },
	{ 'q', false, NULL },
	{ 'v', false, NULL },
	{ 'a', false, NULL },
	{ 'x', false, NULL },
	{ 'k', false, NULL },
	{ 'y', false, NULL },
	{ 'M', true, NULL }, /* autossh's monitoring port; tunneld needs none */
	{ 'w', true,
	  "makes a network interface, which tunneld does not; forward ports with -L or "
	  "-R, or all of them with -D" },
	{ 'W', true,
	  "belongs to one standard input and output; add the tunnel without it, then "
	  "'tunctl nc NAME HOST:PORT' does the same as often as you like" },
	{ 'I', true, NOT_YET " (PKCS#11); name a key file with -i" },
	{ 'K', false, NOT_YET " (GSSAPI); name a key file with -i" },
	{ 'E', true, "is not needed: the log is tunneld's" },
	{ 'S', true, "is not needed: tunneld shares no connections" },
	{ 'O', true, "is not needed: tunneld shares no connections" },
	{ 'F', true, "is said by 'ssh_config: PATH' at the top of tunneld.yaml" },
	{ 'g', false, "is written into the forward: -L '*:PORT:HOST:PORT'" },
	{ 'A', false, NO_SHELL " that could use the agent; leave it out" },
	{ 'X', false, NO_SHELL " that could open a window; run 'ssh -X' beside it" },
	{ 'Y', false, NO_SHELL " that could open a window; run 'ssh -Y' beside it" },
	{ 't', false, NO_SHELL " that could use a terminal; run 'ssh -t' beside it" },
	{ 'e', true, "is for a terminal, and a tunnel has none; leave it out" },
	{ 'P', true, "chooses parts of ~/.ssh/config by a tag; leave it out" },
};

const size_t ssh_letter_count = ARRAY_SIZE(ssh_letters);

/* Where the reading stands. */
struct reading {
	struct args *args;
	char *const *argv;
	int argc, at; /* at: the next word */
	struct strv *comments; /* of args_parse_ssh(); NULL: what is refused is an error */
	bool is_ssh; /* args_parse_ssh(), and it is not autossh */
	struct failure *f;
};

static unsigned options_of(const struct args *args)
{
	return OPTION_GLOBAL | (args->verb ? args->verb->options : OPTION_BIT(OPTION_VERSION));
}

/* tunctl's own mean nothing to ssh. */
static unsigned letters_of(const struct reading *r)
{
	return r->comments ? r->args->verb->options : options_of(r->args);
}

static int __attribute__((format(printf, 2, 3)))
usage_error(struct reading *r, const char *fmt, ...)
{
	char message[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	failure_set(r->f, EXIT_USAGE, ERR_USAGE, "%s", message);
	if (r->args->verb)
		failure_hint(r->f, "'tunctl %s --help' shows how it is used", r->args->verb->name);
	else
		failure_hint(r->f, "'tunctl --help' shows how it is used");
	return -1;
}

/* The array has a place for every letter of the command line. */
static void add_value(struct args *args, enum option_id id, const char *value)
{
	args->values[args->value_count++] = (struct option_value){ id, value };
	args->given |= OPTION_BIT(id);
}

static int find_letter(unsigned options, char letter)
{
	for (int id = 0; id < OPTION_COUNT; id++) {
		if ((options & OPTION_BIT(id)) && option_rows[id].letter == letter)
			return id;
	}
	return -1;
}

static const struct ssh_letter *find_ssh_letter(const struct args *args, char letter)
{
	for (size_t i = 0; i < ssh_letter_count; i++) {
		if (args->verb && args->verb->ssh_letters && ssh_letters[i].letter == letter)
			return &ssh_letters[i];
	}
	return NULL;
}

/* The value of a letter: the rest of its word, or the next word. NULL with f filled. */
static const char *letter_value(struct reading *r, const char *letter)
{
	if (letter[1])
		return letter + 1;
	if (r->at < r->argc)
		return r->argv[r->at++];
	usage_error(r, "option -%c needs a value", *letter);
	return NULL;
}

/* A letter that has no place here; value is NULL for one without. */
static int refuse_letter(struct reading *r, char letter, const char *value, const char *why)
{
	CLEANUP(freep) char *line = NULL;

	if (!r->comments)
		return usage_error(r, "-%c %s", letter, why);
	line = str_printf("-%c%s%s: %s", letter, value ? " " : "", value ? value : "", why);
	return line && strv_add(r->comments, line) == 0 ? 0 : failure_nomem(r->f);
}

static int unknown_letter(struct reading *r, char letter)
{
	if (r->comments)
		return refuse_letter(r, letter, NULL, "tunneld does not know it");
	return usage_error(r, "unknown option -%c", letter);
}

/* "-NTL5432:db:5432": letters until one takes the rest as its value. */
static int read_letters(struct reading *r, const char *word)
{
	for (const char *c = word + 1; *c; c++) {
		const struct ssh_letter *ssh = find_ssh_letter(r->args, *c);
		int id = find_letter(letters_of(r), *c);
		bool takes_value = ssh ? ssh->takes_value : id >= 0 && option_rows[id].value;
		const char *value = NULL;

		if (!ssh && id < 0)
			return unknown_letter(r, *c);
		if (ssh && ssh->refusal && !r->comments)
			return refuse_letter(r, *c, NULL, ssh->refusal);
		takes_value = takes_value && !(r->is_ssh && *c == 'M');
		if (takes_value) {
			value = letter_value(r, c);
			if (!value)
				return -1;
		}
		if (!ssh)
			add_value(r->args, id, value);
		else if (ssh->refusal && refuse_letter(r, *c, value, ssh->refusal) < 0)
			return -1;
		if (takes_value)
			break;
	}
	return 0;
}

static int unknown_name(struct reading *r, const char *name, size_t length)
{
	const char *known[OPTION_COUNT], *near;
	size_t count = 0;
	char word[64];

	for (int id = 0; id < OPTION_COUNT; id++) {
		if ((options_of(r->args) & OPTION_BIT(id)) && option_rows[id].name)
			known[count++] = option_rows[id].name;
	}
	snprintf(word, sizeof(word), "%.*s", (int)MIN(length, sizeof(word) - 1), name);
	near = str_suggest(word, known, count);
	if (near)
		return usage_error(r, "unknown option --%s; did you mean --%s?", word, near);
	return usage_error(r, "unknown option --%s", word);
}

/* "--name", "--name=value", "--name value". */
static int read_name(struct reading *r, const char *word)
{
	const char *name = word + 2, *value = strchr(name, '=');
	size_t length = value ? (size_t)(value++ - name) : strlen(name);
	int id;

	for (id = 0; id < OPTION_COUNT; id++) {
		if ((options_of(r->args) & OPTION_BIT(id)) && option_rows[id].name &&
		    strlen(option_rows[id].name) == length &&
		    memcmp(option_rows[id].name, name, length) == 0)
			break;
	}
	if (id == OPTION_COUNT)
		return unknown_name(r, name, length);
	if (value && !option_rows[id].value)
		return usage_error(r, "option --%s takes no value", option_rows[id].name);
	if (!value && option_rows[id].value) {
		if (r->at == r->argc)
			return usage_error(r, "option --%s needs a value", option_rows[id].name);
		value = r->argv[r->at++];
	}
	add_value(r->args, id, value);
	return 0;
}

static int read_operand(struct reading *r, const char *word)
{
	struct args *args = r->args;

	if (args->verb) {
		args->operands[args->operand_count++] = word;
		return 0;
	}
	args->verb = verb_find(word, r->f);
	return args->verb ? 0 : -1;
}

static int check_operands(struct reading *r)
{
	const struct args *args = r->args;
	const struct verb *verb = args->verb;
	bool all = args_has(args, OPTION_ALL) || args_has(args, OPTION_DAEMON);

	if (!verb || args_has(args, OPTION_HELP))
		return 0;
	if (all && args->operand_count > 0)
		return usage_error(r, "%s: names and --%s exclude each other", verb->name,
				   args_has(args, OPTION_ALL) ? "all" : "daemon");
	if (args->operand_count < verb->min_operands && !all)
		return usage_error(r, "%s needs more than that: tunctl %s %s", verb->name,
				   verb->name, verb->synopsis);
	if (args->operand_count > verb->max_operands)
		return usage_error(r, "%s: '%s' is one word too many", verb->name,
				   args->operands[verb->max_operands]);
	return 0;
}

static int make_room(struct args *args, int argc, char *const *argv)
{
	size_t letters = 0; /* "-wwww" is four options in one word */

	*args = (struct args){ 0 };
	for (int i = 0; i < argc; i++)
		letters += strlen(argv[i]);
	args->values = calloc(letters + 1, sizeof(*args->values));
	args->operands = calloc((size_t)argc + 2, sizeof(*args->operands));
	return args->values && args->operands ? 0 : -1;
}

/* A command stands at the end, with options that are its own. */
static bool is_command(const struct args *args)
{
	return args->verb && args->verb->command && args->operand_count > 0;
}

int args_parse(struct args *ret, int argc, char *const *argv, struct failure *f)
{
	struct reading r = { .args = ret, .argv = argv, .argc = argc, .at = 1, .f = f };
	bool only_operands = false;
	int rc = 0;

	if (make_room(ret, argc, argv) < 0)
		return failure_nomem(f);
	while (rc == 0 && r.at < argc) {
		const char *word = argv[r.at++];

		if (only_operands || is_command(ret) || word[0] != '-' || word[1] == '\0')
			rc = read_operand(&r, word);
		else if (strcmp(word, "--") == 0)
			only_operands = true;
		else if (word[1] == '-')
			rc = read_name(&r, word);
		else
			rc = read_letters(&r, word);
	}
	return rc < 0 ? rc : check_operands(&r);
}

int args_parse_ssh(struct args *ret, int argc, char *const *argv, bool is_autossh,
		   struct strv *comments, struct failure *f)
{
	struct reading r = { .args = ret,
			     .argv = argv,
			     .argc = argc,
			     .at = 1,
			     .comments = comments,
			     .is_ssh = !is_autossh,
			     .f = f };
	bool only_operands = false;
	int rc = 0;

	if (make_room(ret, argc, argv) < 0)
		return failure_nomem(f);
	ret->verb = verb_find("add", f);
	ret->operands[ret->operand_count++] = "";
	while (rc == 0 && r.at < argc) {
		const char *word = argv[r.at++];

		/* Behind the host the first word that is no option begins the command. */
		if (only_operands || ret->operand_count > 2 || word[0] != '-' || word[1] == '\0')
			rc = read_operand(&r, word);
		else if (strcmp(word, "--") == 0)
			only_operands = true;
		else
			rc = read_letters(&r, word);
	}
	if (rc == 0 && ret->operand_count < 2)
		rc = failure_set(f, EXIT_FAILED, ERR_CONFIG, "%s: no host is named", argv[0]);
	return rc;
}

void args_fini(struct args *args)
{
	free(args->values);
	free(args->operands);
	*args = (struct args){ 0 };
}

bool args_has(const struct args *args, enum option_id id)
{
	return args->given & OPTION_BIT(id);
}

const char *args_value(const struct args *args, enum option_id id)
{
	for (size_t i = args->value_count; i-- > 0;) {
		if (args->values[i].id == id)
			return args->values[i].value;
	}
	return NULL;
}
