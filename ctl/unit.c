/* SPDX-License-Identifier: MIT */
#include "ctl/unit.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/words.h"
#include "lib/str.h"

enum { FILE_MAX = 1024 * 1024 };

struct reading {
	struct unit *unit;
	struct strv files; /* of EnvironmentFile=, which are read last: they win */
	const char *key; /* that is looked for */
	bool in_service;
	struct err *err;
};

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

/* ---- keys of [Service] ---- */

static int comment(struct reading *r, const char *key, const char *value)
{
	CLEANUP(freep) char *text = str_printf("%s%s", key, value);

	return text && strv_add(&r->unit->comments, text) == 0 ? 0 : err_nomem(r->err);
}

static int set_text(struct reading *r, char **to, const char *value)
{
	free(*to);
	*to = *value ? unit_expand(r->unit, value, &r->unit->comments) : NULL;
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

/* An empty value takes back what stands before it. */
static int add_text(struct reading *r, struct strv *to, const char *value)
{
	if (*value)
		return strv_add(to, value) < 0 ? err_nomem(r->err) : 0;
	strv_fini(to);
	return 0;
}

static int add_command(struct reading *r, const char *value)
{
	return add_text(r, &r->unit->commands, value);
}

static int add_environment_file(struct reading *r, const char *value)
{
	return add_text(r, &r->files, value);
}

/* What prepares a command, or cleans up behind it. */
static int note_command(struct reading *r, const char *value)
{
	CLEANUP(freep) char *key = str_printf("not run: %s=", r->key);

	if (!key)
		return err_nomem(r->err);
	return *value ? comment(r, key, value) : 0;
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
		CLEANUP(freep)
		char *word = unit_expand(r->unit, words.items[i].text, &r->unit->comments);

		rc = word ? strv_add(&r->unit->environment, word) : -1;
	}
	words_fini(&words);
	return rc < 0 ? err_nomem(r->err) : 0;
}

/* "-" before its path: it may be missing. */
static int read_environment_file(struct reading *r, const char *value)
{
	bool optional = *value == '-';
	CLEANUP(freep) char *path = unit_expand(r->unit, value + optional, &r->unit->comments);
	struct err err;
	CLEANUP(freep) char *text = path ? read_file(path, &err) : NULL;

	if (!path)
		return err_nomem(r->err);
	if (!text)
		return comment(r, "not read: EnvironmentFile=", path);
	return unit_read_environment(text, &r->unit->environment) < 0 ? err_nomem(r->err) : 0;
}

static int read_environment_files(struct reading *r)
{
	int rc = 0;

	for (size_t i = 0; i < r->files.count && rc == 0; i++)
		rc = read_environment_file(r, r->files.items[i]);
	return rc;
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
	{ "ExecCondition", note_command },
	{ "ExecStartPre", note_command },
	{ "ExecStart", add_command },
	{ "ExecStartPost", note_command },
	{ "ExecStopPost", note_command },
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
		size_t slashes;
		bool goes_on;

		if (line[indent] == '#' || line[indent] == ';')
			continue;
		while (kept > 0 && strchr(" \t\r", line[kept - 1]))
			kept--;
		for (slashes = 0; slashes < kept && line[kept - slashes - 1] == '\\';)
			slashes++;
		goes_on = slashes % 2 == 1;
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
		r->key = keys[i].key;
		while ((line = strsep(&rest, "\n"))) {
			if (read_line(r, line, i) < 0)
				return -1;
		}
		if (!copy)
			return err_nomem(r->err);
	}
	return 0;
}

int unit_parse(const char *name, bool of_user, const char *text, struct unit *ret, struct err *err)
{
	struct reading r = { .unit = ret, .err = err };
	CLEANUP(freep) char *joined = join_lines(text);
	const char *end = strstr(name, ".service");
	int rc;

	*ret = (struct unit){
		.name = end ? strndup(name, (size_t)(end - name)) : strdup(name),
		.of_user = of_user,
	};
	rc = joined && ret->name ? read_keys(&r, joined) : err_nomem(err);
	if (rc == 0)
		rc = read_environment_files(&r);
	if (rc == 0 && ret->commands.count == 0)
		rc = err_set(err, ERR_CONFIG, "there is no ExecStart= in its [Service]");
	strv_fini(&r.files);
	if (rc < 0)
		unit_fini(ret);
	return rc;
}

/* Whether a drop-in is one that somebody named, and wants read in its place. */
static bool is_named(const struct strv *paths, const char *path)
{
	struct stat found, named;

	for (size_t i = 1; i < paths->count && stat(path, &found) == 0; i++) {
		if (stat(paths->items[i], &named) == 0 && found.st_dev == named.st_dev &&
		    found.st_ino == named.st_ino)
			return true;
	}
	return false;
}

static int add_file(struct strbuf *all, const char *path, struct err *err)
{
	CLEANUP(freep) char *text = read_file(path, err);

	if (!text)
		return -1;
	strbuf_addf(all, "%s\n", text);
	return 0;
}

static int note(struct strv *notes, const char *what, const char *path)
{
	CLEANUP(freep) char *text = str_printf("%s%s", what, path);

	return text ? strv_add(notes, text) : -1;
}

/* One that was found, not named: systemd does without it when it cannot be read. Empty ones only hide
 * others. */
static int add_found(struct strbuf *all, const char *path, struct strv *notes, struct err *err)
{
	CLEANUP(freep) char *text = read_file(path, err);

	if (text && *text == '\0')
		return 0;
	if (note(notes, text ? "with its drop-in " : "not read: its drop-in ", path) < 0)
		return err_nomem(err);
	if (text)
		strbuf_addf(all, "%s\n", text);
	return 0;
}

static int add_all_found(struct strbuf *all, const struct strv *paths, struct strv *notes,
			 struct err *err)
{
	struct strv found = { 0 };
	int rc = unit_find_drop_ins(paths->items[0], &found, err);

	for (size_t i = 0; i < found.count && rc == 0; i++) {
		if (!is_named(paths, found.items[i]))
			rc = add_found(all, found.items[i], notes, err);
	}
	strv_fini(&found);
	return rc;
}

/* The caller frees; NULL with err. */
static char *read_all(const struct strv *paths, struct strv *notes, struct err *err)
{
	const char *path = paths->items[0];
	CLEANUP(freep) char *template = access(path, F_OK) < 0 ? template_of(path) : NULL;
	struct strbuf all = { 0 };
	char *joined;
	int rc = add_file(&all, template ? template : path, err);

	if (rc == 0)
		rc = add_all_found(&all, paths, notes, err);
	for (size_t i = 1; i < paths->count && rc == 0; i++)
		rc = add_file(&all, paths->items[i], err);
	if (rc < 0) {
		strbuf_fini(&all);
		return NULL;
	}
	joined = strbuf_take(&all);
	if (!joined)
		err_nomem(err);
	return joined;
}

int unit_read(const struct strv *paths, struct unit *ret, struct err *err)
{
	const char *path = paths->items[0];
	struct strv notes = { 0 };
	CLEANUP(freep) char *text = read_all(paths, &notes, err);
	int rc = -1;

	*ret = (struct unit){ 0 };
	if (text) {
		rc = unit_parse(str_base_name(path), strstr(path, "/user/") != NULL, text, ret,
				err);
		if (rc < 0)
			err_prefix(err, "%s", path);
	}
	for (size_t i = 0; i < notes.count && rc == 0; i++) {
		rc = strv_add(&ret->comments, notes.items[i]);
		if (rc < 0) {
			unit_fini(ret);
			err_nomem(err);
		}
	}
	strv_fini(&notes);
	return rc;
}

void unit_fini(struct unit *unit)
{
	free(unit->name);
	strv_fini(&unit->commands);
	free(unit->user);
	free(unit->home);
	free(unit->directory);
	strv_fini(&unit->environment);
	strv_fini(&unit->comments);
	*unit = (struct unit){ 0 };
}
