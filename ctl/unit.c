/* SPDX-License-Identifier: MIT */
#include "ctl/unit.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/words.h"
#include "lib/str.h"

enum { FILE_MAX = 1024 * 1024 };

struct reading {
	struct unit *unit;
	bool in_service;
	struct err *err;
};

const char *unit_variable(const struct unit *unit, const char *name, size_t length)
{
	for (size_t i = unit->environment.count; i-- > 0;) {
		const char *set = unit->environment.items[i];

		if (strncmp(set, name, length) == 0 && set[length] == '=')
			return set + length + 1;
	}
	return NULL;
}

/* ---- files ---- */

/* The caller frees; NULL with err. */
static char *read_file(const char *path, struct err *err)
{
	FILE *file = fopen(path, "re");
	CLEANUP(freep) char *text = malloc(FILE_MAX + 1);
	size_t length;

	if (!file || !text) {
		err_set_errno(err, ERR_IO, errno, "cannot read %s", path);
		if (file)
			fclose(file);
		return NULL;
	}
	length = fread(text, 1, FILE_MAX, file);
	if (ferror(file) || !feof(file) || memchr(text, '\0', length)) {
		err_set(err, ERR_IO, "%s is no text file of at most %d bytes", path, FILE_MAX);
		fclose(file);
		return NULL;
	}
	fclose(file);
	text[length] = '\0';
	return TAKE(text);
}

/* "autossh@db.service" is a name of "autossh@.service". NULL: it is no instance. */
static char *template_of(const char *path)
{
	const char *at = strrchr(path, '@'), *end = strrchr(path, '.');

	return at && end > at && !strchr(at, '/')
		       ? str_printf("%.*s%s", (int)(at - path) + 1, path, end)
		       : NULL;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* ---- specifiers ---- */

/* Part of "prefix@instance". */
static char *name_part(const char *name, bool instance)
{
	const char *at = strchr(name, '@');

	if (instance)
		return strdup(at ? at + 1 : "");
	return at ? strndup(name, (size_t)(at - name)) : strdup(name);
}

/* The caller frees; NULL: none that is known here. */
static char *specifier(const struct unit *unit, char letter)
{
	char host[256];

	switch (letter) {
	case '%':
		return strdup("%");
	case 'h':
		return unit->home ? strdup(unit->home) : NULL;
	case 'u':
		return unit->user ? strdup(unit->user) : NULL;
	case 'i':
	case 'I':
		return name_part(unit->name, true);
	case 'p':
	case 'P':
		return name_part(unit->name, false);
	case 'n':
		return str_printf("%s.service", unit->name);
	case 'N':
		return strdup(unit->name);
	case 'H':
		return gethostname(host, sizeof(host) - 1) == 0 ? strdup(host) : NULL;
	default:
		return NULL;
	}
}

static int comment(struct unit *unit, const char *fmt, const char *detail)
{
	CLEANUP(freep) char *text = str_printf("%s%s", fmt, detail);

	return text ? strv_add(&unit->comments, text) : -1;
}

/* The caller frees; NULL: no memory. */
static char *expand(struct unit *unit, const char *text)
{
	struct strbuf to = { 0 };

	for (; *text; text++) {
		CLEANUP(freep) char *value = NULL;

		if (text[0] == '%' && text[1]) {
			value = specifier(unit, text[1]);
			if (!value &&
			    comment(unit, "not expanded: ", (char[]){ '%', text[1], '\0' }) < 0)
				to.failed = true;
		}
		strbuf_add_bytes(&to, value ? value : text, value ? strlen(value) : 1);
		text += value != NULL;
	}
	return strbuf_take(&to);
}

/* ---- keys of [Service] ---- */

static int set_text(struct reading *r, char **to, const char *value)
{
	free(*to);
	*to = *value ? expand(r->unit, value) : NULL;
	return *to || !*value ? 0 : err_nomem(r->err);
}

static int set_user(struct reading *r, const char *value)
{
	const struct passwd *entry;

	if (set_text(r, &r->unit->user, value) < 0)
		return -1;
	entry = r->unit->user ? getpwnam(r->unit->user) : NULL;
	free(TAKE(r->unit->home));
	r->unit->home = entry ? strdup(entry->pw_dir) : NULL;
	return 0;
}

/* "-", "@", "+", "!", ":" before a command are systemd's business; behind "@" the second word is the name
 * of the process. */
static int set_command(struct reading *r, const char *value)
{
	size_t length = strspn(value, "-@+!:");
	bool is_named = memchr(value, '@', length) != NULL;

	if (r->unit->command && *value &&
	    comment(r->unit, "another ExecStart= stands before this one: ", r->unit->command) < 0)
		return err_nomem(r->err);
	if (is_named && comment(r->unit, "the second word of ExecStart=@ is a name: ", value) < 0)
		return err_nomem(r->err);
	return set_text(r, &r->unit->command, value + length);
}

static int add_environment(struct reading *r, const char *value)
{
	struct words words;
	int rc = 0;

	if (*value == '\0')
		strv_fini(&r->unit->environment);
	if (words_split(value, WORDS_SYSTEMD, &words, r->err) < 0)
		return err_prefix(r->err, "Environment=");
	for (size_t i = 0; i < words.count && rc == 0; i++) {
		CLEANUP(freep) char *word = expand(r->unit, words.items[i].text);

		rc = word ? strv_add(&r->unit->environment, word) : -1;
	}
	words_fini(&words);
	return rc < 0 ? err_nomem(r->err) : 0;
}

/* A file of NAME=VALUE lines; quotes around a value are not part of it. */
static int add_environment_file(struct reading *r, const char *value)
{
	bool optional = *value == '-';
	CLEANUP(freep) char *path = expand(r->unit, value + optional);
	struct err err;
	CLEANUP(freep) char *text = path && *path ? read_file(path, &err) : NULL;
	char *rest = text, *line;

	if (!path)
		return err_nomem(r->err);
	if (!text)
		return *path && comment(r->unit, "not read: EnvironmentFile=", path) < 0
			       ? err_nomem(r->err)
			       : 0;
	while ((line = strsep(&rest, "\n"))) {
		struct words words;
		int rc = 0;

		line += strspn(line, " \t");
		if (!*line || strchr("#;", *line) ||
		    words_split(line, WORDS_SYSTEMD, &words, NULL) < 0)
			continue;
		if (words.count > 0)
			rc = strv_add(&r->unit->environment, words.items[0].text);
		words_fini(&words);
		if (rc < 0)
			return err_nomem(r->err);
	}
	return 0;
}

static int set_directory(struct reading *r, const char *value)
{
	return set_text(r, &r->unit->directory, value + (*value == '-'));
}

static const struct {
	const char *key;
	int (*set)(struct reading *r, const char *value);
} keys[] = {
	{ "User", set_user },
	{ "WorkingDirectory", set_directory },
	{ "Environment", add_environment },
	{ "EnvironmentFile", add_environment_file },
	{ "ExecStart", set_command },
};

/* ---- lines ---- */

/* A logical line: a section or KEY=VALUE; -1: err is set. */
static int read_line(struct reading *r, char *line, size_t wanted)
{
	char *value;
	size_t length;

	line += strspn(line, " \t");
	if (*line == '[') {
		r->in_service = strncmp(line, "[Service]", strlen("[Service]")) == 0;
		return 0;
	}
	value = strchr(line, '=');
	if (!value || !r->in_service)
		return 0;
	for (length = (size_t)(value - line); length > 0 && strchr(" \t", line[length - 1]);)
		length--;
	value += 1 + strspn(value + 1, " \t");
	if (strlen(keys[wanted].key) == length && strncmp(keys[wanted].key, line, length) == 0)
		return keys[wanted].set(r, value);
	return 0;
}

/* Joins lines that end with a backslash and leaves comments out, also between such lines. The caller
 * frees; NULL: no memory. */
static char *join_lines(const char *text)
{
	struct strbuf to = { 0 };
	const char *line;

	for (line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		size_t kept = strcspn(line, "\n"), indent = strspn(line, " \t");
		bool goes_on;

		if (line[indent] == '#' || line[indent] == ';')
			continue;
		while (kept > 0 && strchr(" \t\r", line[kept - 1]))
			kept--;
		goes_on = kept > 0 && line[kept - 1] == '\\';
		strbuf_add_bytes(&to, line, kept - goes_on);
		strbuf_add(&to, goes_on ? " " : "\n");
	}
	return strbuf_take(&to);
}

/* Keys are read in the order of their table, because specifiers in later ones need the earlier. */
static int read_keys(struct reading *r, const char *joined)
{
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		CLEANUP(freep) char *copy = strdup(joined);
		char *rest = copy, *line;

		r->in_service = false;
		while ((line = strsep(&rest, "\n"))) {
			if (read_line(r, line, i) < 0)
				return -1;
		}
		if (!copy)
			return err_nomem(r->err);
	}
	return 0;
}

int unit_parse(const char *name, const char *text, struct unit *ret, struct err *err)
{
	struct reading r = { .unit = ret, .err = err };
	CLEANUP(freep) char *joined = join_lines(text);
	const char *end = strstr(name, ".service");
	int rc;

	*ret = (struct unit){ .name = end ? strndup(name, (size_t)(end - name)) : strdup(name) };
	rc = joined && ret->name ? read_keys(&r, joined) : err_nomem(err);
	if (rc == 0 && !ret->command)
		rc = err_set(err, ERR_CONFIG, "there is no ExecStart= in its [Service]");
	if (rc < 0)
		unit_fini(ret);
	return rc;
}

int unit_read(const char *path, struct unit *ret, struct err *err)
{
	CLEANUP(freep) char *template = access(path, F_OK) < 0 ? template_of(path) : NULL;
	CLEANUP(freep) char *text = read_file(template ? template : path, err);

	*ret = (struct unit){ 0 };
	if (!text)
		return -1;
	return unit_parse(base_name(path), text, ret, err) < 0 ? err_prefix(err, "%s", path) : 0;
}

void unit_fini(struct unit *unit)
{
	free(unit->name);
	free(unit->command);
	free(unit->user);
	free(unit->home);
	free(unit->directory);
	strv_fini(&unit->environment);
	strv_fini(&unit->comments);
	*unit = (struct unit){ 0 };
}
