/* SPDX-License-Identifier: MIT */
/*
 * `tunctl import`: what people have today as YAML for tunneld, on standard output. It talks to nobody.
 */
#include "ctl/import.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/ctl.h"
#include "lib/config.h"
#include "lib/str.h"
#include "lib/yaml_emit.h"

enum { INPUT_MAX = 1024 * 1024 };

int import_init(struct import *import)
{
	*import = (struct import){ .tunnels = json_object(),
				   .hosts = json_object(),
				   .comments = json_object() };
	return import->tunnels && import->hosts && import->comments ? 0 : -1;
}

void import_fini(struct import *import)
{
	json_decref(import->tunnels);
	json_decref(import->hosts);
	json_decref(import->comments);
	strv_fini(&import->left_out);
	*import = (struct import){ 0 };
}

/* A name of the configuration out of any text. */
static void make_name(char *out, size_t size, const char *text)
{
	size_t used = 0;

	for (; *text && used + 1 < size; text++) {
		char letter[2] = { *text, '\0' };

		out[used++] = config_name_is_valid(letter) ? *text : '-';
	}
	out[used] = '\0';
	if (used == 0)
		snprintf(out, size, "tunnel");
}

/* "-tt" says the same twice. */
static bool is_repeated(const struct strv *comments, size_t at)
{
	for (size_t i = 0; i < at; i++) {
		if (strcmp(comments->items[i], comments->items[at]) == 0)
			return true;
	}
	return false;
}

int import_add(struct import *import, json_t *map, const char *name, json_t *entry,
	       const struct strv *comments)
{
	char base[CONFIG_NAME_MAX - 4], unique[CONFIG_NAME_MAX + 1];
	json_t *list = json_array();

	make_name(base, sizeof(base), name);
	snprintf(unique, sizeof(unique), "%s", base);
	for (unsigned i = 2; json_object_get(map, unique) && i < 1000; i++)
		snprintf(unique, sizeof(unique), "%s-%u", base, i);
	for (size_t i = 0; i < comments->count; i++) {
		if (!is_repeated(comments, i))
			json_array_append_new(list, json_string(comments->items[i]));
	}
	if (json_object_set_new(map, unique, entry) < 0 || !list)
		return -1;
	if (!json_object_get(import->comments, unique))
		return json_object_set_new(import->comments, unique, list);
	json_array_extend(json_object_get(import->comments, unique), list);
	json_decref(list);
	return 0;
}

/* ---- printing ---- */

/* One line, whatever it quotes: behind a line's end would stand YAML. */
static void add_comment(struct strbuf *to, const char *indent, const char *text)
{
	char line[1024];

	strbuf_addf(to, "%s# %s\n", indent, str_escape(line, sizeof(line), text, strlen(text)));
}

/* "tunnels:" with its entries, each behind its comments. -1: err is set. */
static int add_section(struct strbuf *to, const struct import *import, const char *key, json_t *map,
		       struct err *err)
{
	const char *name;
	json_t *entry;

	if (json_object_size(map) > 0)
		strbuf_addf(to, "%s:\n", key);
	json_object_foreach (map, name, entry) {
		json_t *comments = json_object_get(import->comments, name), *comment;
		json_t *document = json_pack("{s:{s:O}}", key, name, entry);
		CLEANUP(freep) char *text = document ? yaml_emit(document, err) : NULL;
		size_t i;

		json_decref(document);
		if (!text)
			return err_nomem(err);
		json_array_foreach (comments, i, comment)
			add_comment(to, "  ", json_string_value(comment));
		json_object_del(import->comments, name); /* said once, where a name stands twice */
		strbuf_add(to, text + strlen(key) + 2);
	}
	return 0;
}

static int print(const struct import *import, struct failure *f)
{
	struct strbuf to = { 0 };
	CLEANUP(freep) char *text = NULL;
	struct err err;

	for (size_t i = 0; i < import->left_out.count; i++)
		add_comment(&to, "", import->left_out.items[i]);
	if (add_section(&to, import, "hosts", import->hosts, &err) < 0 ||
	    add_section(&to, import, "tunnels", import->tunnels, &err) < 0) {
		strbuf_fini(&to);
		return failure_set(f, EXIT_FAILED, err.code, "%s", err.msg);
	}
	text = strbuf_take(&to);
	if (!text)
		return failure_nomem(f);
	fputs(text, stdout);
	return EXIT_OK;
}

static int print_json(struct ctl *ctl, const struct import *import, struct failure *f)
{
	json_t *object = json_pack("{s:O, s:O, s:O}", "hosts", import->hosts, "tunnels",
				   import->tunnels, "comments", import->comments);

	if (!object)
		return failure_nomem(f);
	ctl_print_json(ctl, object);
	json_decref(object);
	return EXIT_OK;
}

/* ---- reading ---- */

/* The caller frees; NULL with f filled. */
static char *read_input(struct failure *f)
{
	CLEANUP(freep) char *text = malloc(INPUT_MAX + 1);
	size_t length = text ? fread(text, 1, INPUT_MAX, stdin) : 0;

	if (!text) {
		failure_nomem(f);
		return NULL;
	}
	if (ferror(stdin) || !feof(stdin) || memchr(text, '\0', length)) {
		failure_set(f, EXIT_FAILED, ERR_IO, "standard input is no text of at most %d bytes",
			    INPUT_MAX);
		return NULL;
	}
	text[length] = '\0';
	return TAKE(text);
}

static int read_commands(struct ctl *ctl, struct import *import, const char *name,
			 struct failure *f)
{
	const struct args *args = &ctl->args;
	CLEANUP(freep) char *directory = getcwd(NULL, 0);
	CLEANUP(freep) char *text = NULL;
	const struct import_source source = { .name = name, .home = "~", .directory = directory };

	if (!directory)
		return failure_set(f, EXIT_FAILED, ERR_IO,
				   "the current directory cannot be read: %s", strerror(errno));
	if (args->operand_count > 0)
		return import_command(import, &source, (int)args->operand_count,
				      (char *const *)args->operands, f);
	if (isatty(STDIN_FILENO))
		return failure_set(
			f, EXIT_USAGE, ERR_USAGE,
			"what shall be imported? Write the command line behind 'import', "
			"or name --unit or --ssh-config");
	text = read_input(f);
	return text ? import_script(import, &source, text, f) : -1;
}

static int read_unit(struct ctl *ctl, struct import *import, const char *name, struct failure *f)
{
	struct strv paths = { 0 };
	int rc = 0;

	for (size_t i = 0; i < ctl->args.value_count && rc == 0; i++) {
		const struct option_value *given = &ctl->args.values[i];

		if (given->id == OPTION_UNIT && strv_add(&paths, given->value) < 0)
			rc = failure_nomem(f);
	}
	if (rc == 0)
		rc = import_unit(import, &paths, name, f);
	strv_fini(&paths);
	return rc;
}

static int read_all(struct ctl *ctl, struct import *import, struct failure *f)
{
	const char *name = args_value(&ctl->args, OPTION_NAME);
	const char *unit = args_value(&ctl->args, OPTION_UNIT);
	const char *host = args_value(&ctl->args, OPTION_SSH_CONFIG);

	if (name && !config_name_is_valid(name))
		return failure_set(f, EXIT_USAGE, ERR_USAGE,
				   "'%s' is not a name; use up to %d letters, digits, '.', '_' and "
				   "'-'",
				   name, CONFIG_NAME_MAX);
	if ((unit != NULL) + (host != NULL) + (ctl->args.operand_count > 0) > 1)
		return failure_set(f, EXIT_USAGE, ERR_USAGE,
				   "a command line, --unit and --ssh-config exclude each other");
	if (unit)
		return read_unit(ctl, import, name, f);
	return host ? import_host(import, host, name, f) : read_commands(ctl, import, name, f);
}

int run_import(struct ctl *ctl, struct failure *f)
{
	struct import import;
	int rc = import_init(&import) < 0 ? failure_nomem(f) : read_all(ctl, &import, f);

	if (rc == 0)
		rc = ctl->json ? print_json(ctl, &import, f) : print(&import, f);
	import_fini(&import);
	return rc;
}
