/* SPDX-License-Identifier: MIT */
/*
 * Command lines of ssh and autossh, with what people put around them: variables, sudo, a shell.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ctl/import.h"
#include "ctl/letters.h"
#include "ctl/words.h"
#include "lib/endpoint.h"
#include "lib/str.h"

enum { SHELLS_DEEP = 3 };

/* A command on its way. */
struct command {
	const struct import_source *source;
	char *const *argv;
	int argc, at; /* at: the word that is looked at */
	const char *user; /* sudo's or the source's */
	const char *password_file; /* sshpass's; NULL: there is none */
	struct strv environment, comments;
	unsigned depth; /* shells around it */
};

static bool is_assignment(const char *word)
{
	size_t length = strspn(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_"
				     "0123456789");

	return length > 0 && word[length] == '=' && strspn(word, "0123456789") == 0;
}

static bool is_one_of(const char *word, const char *const *words)
{
	for (; *words; words++) {
		if (strcmp(*words, word) == 0)
			return true;
	}
	return false;
}

static int comment(struct command *c, struct failure *f, const char *before, const char *text)
{
	CLEANUP(freep) char *line = str_printf("%s%s", before, text);

	return line && strv_add(&c->comments, line) == 0 ? 0 : failure_nomem(f);
}

/* ---- what stands before ssh ---- */

/* "sudo -u USER": whose command it is. */
static void skip_sudo(struct command *c)
{
	while (c->at < c->argc && c->argv[c->at][0] == '-') {
		const char *word = c->argv[c->at++];

		if (strcmp(word, "-u") == 0 && c->at < c->argc)
			c->user = c->argv[c->at++];
		else if (strncmp(word, "-u", 2) == 0)
			c->user = word + 2;
	}
}

/* "sshpass -f FILE". A password that stands in the command line is not printed again. */
static int skip_sshpass(struct command *c, struct failure *f)
{
	while (c->at < c->argc && c->argv[c->at][0] == '-') {
		const char *word = c->argv[c->at++], *value = word + 2;

		if (word[1] == '\0' || !strchr("fdpP", word[1]))
			continue;
		if (*value == '\0')
			value = c->at < c->argc ? c->argv[c->at++] : "";
		if (word[1] == 'f')
			c->password_file = value;
	}
	if (c->password_file)
		return 0;
	return comment(c, f, "sshpass: ",
		       "write the password into a file (chmod 600), and name it with 'password'");
}

/* Steps over variables and programs that only run another one. */
static int skip_prefix(struct command *c, struct failure *f)
{
	static const char *const wrappers[] = { "env",  "exec",  "nohup", "setsid", "do",
						"then", "while", "until", "if",     NULL };

	for (; c->at < c->argc; c->at++) {
		const char *word = c->argv[c->at], *program = str_base_name(word);

		if (is_assignment(word)) {
			if (strv_add(&c->environment, word) < 0)
				return failure_nomem(f);
		} else if (strcmp(program, "sudo") == 0) {
			c->at++;
			skip_sudo(c);
			c->at--;
		} else if (strcmp(program, "sshpass") == 0) {
			c->at++;
			if (skip_sshpass(c, f) < 0)
				return -1;
			c->at--;
		} else if (!is_one_of(program, wrappers)) {
			break;
		}
	}
	return 0;
}

/* ---- autossh ---- */

/* What autossh's variables (autossh(1)) are here; NULL: nothing that would be missed. */
static const struct {
	const char *name, *why;
} autossh_words[] = {
	{ "AUTOSSH_DEBUG", NULL },
	{ "AUTOSSH_GATETIME", NULL },
	{ "AUTOSSH_LOGFILE", NULL },
	{ "AUTOSSH_LOGLEVEL", NULL },
	{ "AUTOSSH_MESSAGE", NULL },
	{ "AUTOSSH_NTSERVICE", NULL },
	{ "AUTOSSH_PATH", NULL },
	{ "AUTOSSH_PIDFILE", NULL },
	{ "AUTOSSH_PORT", NULL },
	{ "AUTOSSH_FIRST_POLL", "the server is asked for signs of life by keepalive" },
	{ "AUTOSSH_MAXLIFETIME", "a tunnel lives until it is ended" },
	{ "AUTOSSH_MAXSTART", "tunneld never gives up" },
	{ "AUTOSSH_POLL", "the server is asked for signs of life by keepalive" },
};

static int note_autossh(struct command *c, const char *word, const char *why, struct failure *f)
{
	CLEANUP(freep) char *line = str_printf("%s: %s", word, why);

	return line ? comment(c, f, "", line) : failure_nomem(f);
}

static int note_variable(struct command *c, const char *word, json_t *tunnel, struct failure *f)
{
	size_t length = strcspn(word, "=");

	if (strncmp(word, "SSH_AUTH_SOCK=", length + 1) == 0) {
		json_object_set_new(tunnel, "identity_agent", json_string(word + length + 1));
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(autossh_words); i++) {
		const char *name = autossh_words[i].name;

		if (strlen(name) == length && strncmp(name, word, length) == 0)
			return autossh_words[i].why ? note_autossh(c, word, autossh_words[i].why, f)
						    : 0;
	}
	return 0;
}

static int note_environment(struct command *c, json_t *tunnel, struct failure *f)
{
	const struct strv *outer = c->source->environment;

	for (size_t i = 0; outer && i < outer->count; i++) {
		if (note_variable(c, outer->items[i], tunnel, f) < 0)
			return -1;
	}
	for (size_t i = 0; i < c->environment.count; i++) {
		if (note_variable(c, c->environment.items[i], tunnel, f) < 0)
			return -1;
	}
	return 0;
}

/* ---- ssh ---- */

/* ssh logs in as who runs it, tunneld as who it runs as. */
static int name_user(const struct command *c, json_t *tunnel)
{
	const char *host = json_string_value(json_object_get(tunnel, "host"));

	if (!c->user || !host || strchr(host, '@') || json_object_get(tunnel, "user"))
		return 0;
	return json_object_set_new(tunnel, "user", json_string(c->user));
}

static int name_password(const struct command *c, json_t *tunnel)
{
	const char *file = c->password_file;
	CLEANUP(freep) char *path = NULL;

	if (!file)
		return 0;
	if (*file == '/')
		path = strdup(file);
	else if (strncmp(file, "~/", 2) == 0)
		path = str_printf("%s/%s", c->source->home, file + 2);
	else
		path = str_printf("%s/%s", c->source->directory, file);
	return json_object_set_new(tunnel, "password", json_string(path ? path : ""));
}

/* "host" of "[user@]host[:port]". */
static char *host_name(const char *operand)
{
	struct endpoint endpoint;

	if (strncmp(operand, "ssh://", strlen("ssh://")) == 0)
		operand += strlen("ssh://");
	return strdup(endpoint_parse(operand, &endpoint, NULL) == 0 ? endpoint.host : operand);
}

static bool has_forward(const json_t *tunnel)
{
	return json_object_get(tunnel, "local") || json_object_get(tunnel, "remote") ||
	       json_object_get(tunnel, "dynamic");
}

static int note_command(struct command *c, const struct args *args, struct failure *f)
{
	struct strbuf line = { 0 };
	CLEANUP(freep) char *text = NULL;

	if (args->operand_count <= 2)
		return 0;
	strbuf_add(&line, "no command is run on the server:");
	for (size_t i = 2; i < args->operand_count; i++)
		strbuf_addf(&line, " %s", args->operands[i]);
	text = strbuf_take(&line);
	return text ? comment(c, f, "", text) : failure_nomem(f);
}

/* What the letters became, completed and checked. -1 with f filled. */
static int finish(struct command *c, const struct args *args, json_t *tunnel, struct failure *f)
{
	const struct strv *given = c->source->comments;

	for (size_t i = 0; given && i < given->count; i++) {
		if (comment(c, f, "", given->items[i]) < 0)
			return -1;
	}
	if (note_command(c, args, f) < 0)
		return -1;
	if (name_user(c, tunnel) < 0 || name_password(c, tunnel) < 0)
		return failure_nomem(f);
	if (note_environment(c, tunnel, f) < 0)
		return -1;
	if (c->source->keys_hint && !json_object_get(tunnel, "identity") &&
	    comment(c, f, "", c->source->keys_hint) < 0)
		return -1;
	if (!has_forward(tunnel))
		return failure_set(f, EXIT_FAILED, ERR_CONFIG,
				   "'%s' has no -L, -R or -D: there is nothing to keep alive",
				   args->operands[1]);
	return import_check(tunnel, &c->comments, f);
}

/* The order in which a person would write it: a new reference. */
static json_t *host_first(const json_t *tunnel)
{
	json_t *sorted = json_object(), *user = json_object_get(tunnel, "user");

	json_object_set(sorted, "host", json_object_get(tunnel, "host"));
	if (user)
		json_object_set(sorted, "user", user);
	if (json_object_update_missing(sorted, (json_t *)tunnel) == 0)
		return sorted;
	json_decref(sorted);
	return NULL;
}

static int import_ssh(struct import *import, struct command *c, bool is_autossh, struct failure *f)
{
	const struct import_source *source = c->source;
	struct args args;
	json_t *tunnel = NULL;
	CLEANUP(freep) char *name = NULL;
	json_t *sorted;
	int rc = args_parse_ssh(&args, c->argc - c->at, c->argv + c->at, is_autossh, &c->comments,
				f);

	if (rc == 0) {
		name = source->name ? strdup(source->name) : host_name(args.operands[1]);
		tunnel = letters_import(&args, source->directory, source->home, &c->comments, f);
		rc = tunnel ? finish(c, &args, tunnel, f) : -1;
	}
	sorted = rc == 0 ? host_first(tunnel) : NULL;
	if (rc == 0 && (!name || !sorted ||
			import_add(import, import->tunnels, name, sorted, &c->comments) < 0))
		rc = failure_nomem(f);
	json_decref(tunnel);
	args_fini(&args);
	return rc;
}

/* ---- the shell ---- */

static int run(struct import *import, struct command *c, struct failure *f);

/* Behind ">" or "2>>" stands a file, before it perhaps a number. */
static bool is_redirection(const struct word *word)
{
	return word->is_operator && strpbrk(word->text, "<>");
}

/* The operator that ends the part of the line that begins at first, or the end. */
static size_t part_end(const struct words *words, size_t first)
{
	while (first < words->count &&
	       (!words->items[first].is_operator || is_redirection(&words->items[first])))
		first++;
	return first;
}

static const char *const shells[] = { "sh", "bash", "dash", "zsh", "ksh", NULL };

/* Lines that look for a running ssh are none that starts one. */
static bool runs_ssh(const struct words *words, size_t first, size_t end)
{
	static const char *const lookers[] = { "pgrep", "pkill", "grep", "ps", "echo", NULL };

	for (size_t i = first; i < end; i++) {
		const char *program = str_base_name(words->items[i].text);

		if (is_one_of(program, lookers))
			return false;
		if (strcmp(program, "ssh") == 0 || strcmp(program, "autossh") == 0 ||
		    is_one_of(program, shells))
			return true;
	}
	return false;
}

/* The words of c, without what is redirected. */
static int take_words(struct command *c, char **argv, const struct words *words, size_t first,
		      size_t end, struct failure *f)
{
	for (size_t i = first; i < end; i++) {
		const struct word *word = &words->items[i];

		if (is_redirection(word)) {
			i++;
			continue;
		}
		if (i + 1 < end && is_redirection(&words->items[i + 1]) &&
		    strlen(word->text) == 1 && strchr("012", word->text[0]))
			continue;
		if (word->expands && comment(c, f, "not expanded: ", word->text) < 0)
			return -1;
		argv[c->argc++] = word->text;
	}
	c->argv = argv;
	return 0;
}

/* A part of a line between operators. */
static int run_part(struct import *import, const struct command *outer, const struct words *words,
		    size_t first, size_t end, struct failure *f)
{
	CLEANUP(freep) char **argv = calloc(end - first + 1, sizeof(*argv));
	struct command c = { .source = outer->source,
			     .user = outer->user,
			     .password_file = outer->password_file,
			     .depth = outer->depth };
	int rc;

	if (!argv || strv_copy(&c.environment, &outer->environment) < 0)
		return failure_nomem(f);
	rc = take_words(&c, argv, words, first, end, f);
	if (rc == 0)
		rc = run(import, &c, f);
	strv_fini(&c.environment);
	strv_fini(&c.comments);
	return rc;
}

static int run_line(struct import *import, const struct command *outer, const char *line,
		    struct failure *f)
{
	struct words words;
	struct err err;
	bool found = false;
	int rc = 0;

	if (words_split(line, WORDS_SHELL, &words, &err) < 0)
		return failure_set(f, EXIT_FAILED, err.code, "%s", err.msg);
	for (size_t first = 0, end; rc == 0 && first < words.count; first = end + 1) {
		end = part_end(&words, first);
		if (!runs_ssh(&words, first, end))
			continue;
		found = true;
		rc = run_part(import, outer, &words, first, end, f);
	}
	words_fini(&words);
	if (!found)
		return failure_set(f, EXIT_FAILED, ERR_CONFIG, "neither ssh nor autossh is run");
	return rc;
}

/* "sh -c LINE"; NULL: it is none. */
static const char *shell_line(const struct command *c)
{
	int at = c->at;

	if (at >= c->argc || !is_one_of(str_base_name(c->argv[at]), shells))
		return NULL;
	for (at++; at + 1 < c->argc && c->argv[at][0] == '-'; at++) {
		if (c->argv[at][strlen(c->argv[at]) - 1] == 'c')
			return c->argv[at + 1];
	}
	return NULL;
}

static int run(struct import *import, struct command *c, struct failure *f)
{
	const char *program, *line;

	if (skip_prefix(c, f) < 0)
		return -1;
	line = shell_line(c);
	if (line && c->depth++ < SHELLS_DEEP)
		return run_line(import, c, line, f);
	program = c->at < c->argc ? str_base_name(c->argv[c->at]) : "";
	if (strcmp(program, "ssh") != 0 && strcmp(program, "autossh") != 0)
		return failure_set(f, EXIT_FAILED, ERR_CONFIG,
				   "'%s' is neither ssh nor autossh: tunctl import -- ssh -fN -L "
				   "5432:db:5432 me@host",
				   program);
	return import_ssh(import, c, strcmp(program, "autossh") == 0, f);
}

int import_command(struct import *import, const struct import_source *source, int argc,
		   char *const *argv, struct failure *f)
{
	struct command c = { .source = source, .argv = argv, .argc = argc, .user = source->user };
	int rc = run(import, &c, f);

	strv_fini(&c.environment);
	strv_fini(&c.comments);
	return rc;
}

int import_line(struct import *import, const struct import_source *source, const char *line,
		struct failure *f)
{
	const struct command c = { .source = source, .user = source->user };

	return run_line(import, &c, line, f);
}
