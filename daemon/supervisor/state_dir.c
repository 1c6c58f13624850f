/* SPDX-License-Identifier: MIT */
#include "daemon/supervisor/state_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/supervisor/directory.h"
#include "daemon/supervisor/durable.h"
#include "lib/node.h"
#include "lib/str.h"

#define SUFFIX ".json"
#define FILE_MAX (256 * 1024)

static const char *const folders[STATE_KIND_COUNT] = {
	[STATE_TUNNEL] = "added",
	[STATE_FORWARDS] = "forwards",
};

/* ---- writing ---- */

static int make_directory(const char *path, struct err *err)
{
	if (directory_make_parents(path, err) < 0)
		return -1;
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return err_set_errno(err, ERR_IO, errno, "cannot create the directory %s", path);
	return 0;
}

/* DIR/FOLDER as a descriptor. */
static int open_folder(const char *dir, enum state_kind kind, bool create, struct err *err)
{
	CLEANUP(freep) char *path = str_printf("%s/%s", dir, folders[kind]);
	int fd;

	if (!path)
		return err_nomem(err);
	if (create && make_directory(path, err) < 0)
		return -1;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd >= 0 ? fd : err_set_errno(err, ERR_IO, errno, "cannot open %s", path);
}

static int write_file(int folder, const char *file, const char *json)
{
	CLEANUP(freep) char *temporary = str_printf(".%s.new", file);
	CLEANUP(closep) int fd = -1;

	if (!temporary) {
		errno = ENOMEM;
		return -1;
	}
	fd = openat(folder, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -1;
	if (durable_write(fd, json, strlen(json)) < 0 ||
	    renameat(folder, temporary, folder, file) < 0) {
		int sys = errno;

		unlinkat(folder, temporary, 0);
		errno = sys;
		return -1;
	}
	return fsync(folder);
}

int state_dir_write(const char *dir, enum state_kind kind, const char *name, const char *json,
		    struct err *err)
{
	CLEANUP(freep) char *file = str_printf("%s" SUFFIX, name);
	CLEANUP(closep) int folder = -1;

	if (strlen(json) > FILE_MAX) /* it could not be read back */
		return err_set(err, ERR_LIMIT,
			       "settings of more than %d KiB cannot be added; write them into the "
			       "configuration file",
			       FILE_MAX / 1024);
	folder = open_folder(dir, kind, true, err);
	if (folder < 0)
		return -1;
	if (!file)
		return err_nomem(err);
	if (write_file(folder, file, json) < 0)
		return err_set_errno(err, ERR_IO, errno, "cannot write %s/%s/%s", dir,
				     folders[kind], file);
	return 0;
}

int state_dir_remove(const char *dir, enum state_kind kind, const char *name, struct err *err)
{
	CLEANUP(freep) char *file = str_printf("%s" SUFFIX, name);
	struct err why;
	CLEANUP(closep) int folder = open_folder(dir, kind, false, &why);

	if (folder < 0 && why.sys == ENOENT)
		return 0; /* nothing was ever added */
	if (folder < 0) {
		*err = why;
		return -1;
	}
	if (!file)
		return err_nomem(err);
	if ((unlinkat(folder, file, 0) < 0 && errno != ENOENT) || fsync(folder) < 0)
		return err_set_errno(err, ERR_IO, errno, "cannot remove %s/%s/%s", dir,
				     folders[kind], file);
	return 0;
}

/* ---- reading ---- */

static int warn(struct strv *warnings, struct err *err, const char *text)
{
	return strv_add(warnings, text) < 0 ? err_nomem(err) : 0;
}

/* The text of a file, or NULL with why. */
static char *read_text(int folder, const char *file, struct err *why)
{
	CLEANUP(closep)
	int fd = openat(folder, file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	CLEANUP(freep) char *text = NULL;
	size_t used = 0;
	struct stat st;
	ssize_t n = 1;

	if (fd < 0 || fstat(fd, &st) < 0) {
		err_set_errno(why, ERR_IO, errno, "cannot be read");
		return NULL;
	}
	if (!S_ISREG(st.st_mode) || st.st_size > FILE_MAX) {
		err_set(why, ERR_IO, "is not a file of at most %d KiB", FILE_MAX / 1024);
		return NULL;
	}
	text = malloc(FILE_MAX + 1);
	while (text && n > 0 && used < FILE_MAX) {
		n = read(fd, text + used, FILE_MAX - used);
		used += n > 0 ? (size_t)n : 0;
	}
	if (!text || n < 0) {
		err_set_errno(why, ERR_IO, text ? errno : ENOMEM, "cannot be read");
		return NULL;
	}
	text[used] = '\0';
	return TAKE(text);
}

static json_t *read_json(int folder, const char *file, struct err *why)
{
	CLEANUP(freep) char *text = read_text(folder, file, why);
	json_error_t where;
	json_t *json;

	if (!text)
		return NULL;
	json = json_loads(text, JSON_REJECT_DUPLICATES, &where);
	if (!json)
		err_set(why, ERR_CONFIG, "is not JSON (line %d)", where.line);
	return json;
}

static struct node *read_tree(int folder, const char *file, struct err *why)
{
	json_t *json = read_json(folder, file, why);
	struct node *tree = json ? node_from_json(json, why) : NULL;

	json_decref(json);
	return tree;
}

static void first_problem(struct config_problems *problems, struct err *ret)
{
	err_set(ret, ERR_CONFIG, "%s",
		problems->count > 0 ? problems->items[0].message : "out of memory");
	config_problems_fini(problems);
}

/* ---- tunnels ---- */

/* why: the first problem, in short. */
static bool add_tunnel(struct config *config, int folder, const char *file, const char *name,
		       struct err *why)
{
	struct config_problems problems = { 0 };
	CLEANUP(node_freep) struct node *tree = read_tree(folder, file, why);

	if (!tree)
		return false;
	if (config_add_tunnel(config, name, tree, &problems))
		return true;
	first_problem(&problems, why);
	return false;
}

/* What is being read, and what is said of it. */
struct loading {
	const char *dir;
	int folder;
	struct config *config;
	struct strv *warnings;
	struct err *err; /* out of memory */
};

static int load_tunnel(struct loading *l, const char *file, const char *name)
{
	const struct config_tunnel *same = config_find(l->config, name);
	CLEANUP(freep) char *text = NULL;
	struct err why;

	if (same)
		text = str_printf("tunnel '%s' was added, but now stands in %s:%u, which wins; "
				  "remove %s/added/%s",
				  name, same->source, same->line, l->dir, file);
	else if (!add_tunnel(l->config, l->folder, file, name, &why))
		text = str_printf("the added tunnel '%s' is left out: %s (%s/added/%s)", name,
				  why.msg, l->dir, file);
	else
		return 0;
	return text ? warn(l->warnings, l->err, text) : err_nomem(l->err);
}

/* ---- forwards ---- */

/* One at a time, so that a single one that is in the way of something is a single one left out. */
static bool add_forward(struct config *config, const char *name, const char *type, json_t *item,
			struct err *why)
{
	json_t *json = json_pack("{s:[O]}", type, item);
	CLEANUP(node_freep) struct node *tree = node_from_json(json, why);
	struct config_problems problems = { 0 };
	struct config_tunnel *with = NULL;

	json_decref(json);
	if (!tree)
		return false;
	with = config_with_forwards(config, config_find(config, name), tree, &problems);
	if (with)
		config_tunnel_free(config_replace(config, with));
	else
		first_problem(&problems, why);
	return with;
}

static int add_forwards(struct loading *l, const char *file, const char *name, json_t *forwards)
{
	const char *type;
	json_t *items, *item;
	struct err why;
	size_t i;

	json_object_foreach (forwards, type, items) {
		json_array_foreach (items, i, item) {
			CLEANUP(freep) char *text = NULL;

			if (add_forward(l->config, name, type, item, &why))
				continue;
			text = str_printf("a forward added to tunnel '%s' is left out: %s "
					  "(%s/forwards/%s)",
					  name, why.msg, l->dir, file);
			if (!text || warn(l->warnings, l->err, text) < 0)
				return err_nomem(l->err);
		}
	}
	return 0;
}

static int load_forwards(struct loading *l, const char *file, const char *name)
{
	CLEANUP(freep) char *text = NULL;
	json_t *forwards;
	struct err why;
	int rc;

	if (!config_find(l->config, name)) {
		text = str_printf("forwards were added to tunnel '%s', which there is no more; "
				  "remove %s/forwards/%s",
				  name, l->dir, file);
		return text ? warn(l->warnings, l->err, text) : err_nomem(l->err);
	}
	forwards = read_json(l->folder, file, &why);
	if (!forwards) {
		text = str_printf("the forwards added to tunnel '%s' are left out: "
				  "%s/forwards/%s %s",
				  name, l->dir, file, why.msg);
		return text ? warn(l->warnings, l->err, text) : err_nomem(l->err);
	}
	rc = add_forwards(l, file, name, forwards);
	json_decref(forwards);
	return rc;
}

int state_dir_replace_forwards(const char *dir, const char *name, const char *json, struct err *err)
{
	static const char *const keys[] = { "local", "remote", "dynamic" };
	CLEANUP(closep) int folder = open_folder(dir, STATE_TUNNEL, false, err);
	CLEANUP(freep) char *file = str_printf("%s" SUFFIX, name);
	CLEANUP(freep) char *text = NULL;
	json_t *forwards = json_loads(json, 0, NULL);
	json_t *tunnel = NULL;

	if (folder >= 0 && file && forwards)
		tunnel = read_json(folder, file, err);
	else if (folder >= 0)
		err_nomem(err);
	for (size_t i = 0; tunnel && i < ARRAY_SIZE(keys); i++)
		json_object_del(tunnel, keys[i]);
	if (tunnel && json_object_update(tunnel, forwards) == 0)
		text = json_dumps(tunnel, JSON_INDENT(2));
	json_decref(forwards);
	json_decref(tunnel);
	if (!tunnel)
		return -1;
	return text ? state_dir_write(dir, STATE_TUNNEL, name, text, err) : err_nomem(err);
}

/* ---- all of it ---- */

/* "NAME.json" → NAME in place; false for any other file. */
static bool strip_suffix(char *file)
{
	size_t length = strlen(file), suffix = strlen(SUFFIX);

	if (length <= suffix || strcmp(file + length - suffix, SUFFIX) != 0)
		return false;
	file[length - suffix] = '\0';
	return config_name_is_valid(file);
}

static int load_file(struct loading *l, enum state_kind kind, const char *file)
{
	CLEANUP(freep) char *name = strdup(file);

	if (!name)
		return err_nomem(l->err);
	if (file[0] == '.' && strstr(file, ".new"))
		return 0; /* half written when the power went */
	if (!strip_suffix(name))
		return 0;
	return kind == STATE_TUNNEL ? load_tunnel(l, file, name) : load_forwards(l, file, name);
}

static int load_folder(struct loading *l, enum state_kind kind)
{
	struct err why;
	CLEANUP(closep) int folder = open_folder(l->dir, kind, false, &why);
	struct dirent **entries = NULL;
	int count, rc = 0;

	if (folder < 0)
		return why.sys == ENOENT ? 0 : warn(l->warnings, l->err, why.msg);
	l->folder = folder;
	count = scandirat(folder, ".", &entries, NULL, alphasort);
	for (int i = 0; i < count; i++) {
		if (rc == 0)
			rc = load_file(l, kind, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	return rc;
}

int state_dir_load(const char *dir, struct config *config, struct strv *warnings, struct err *err)
{
	struct loading l = { .dir = dir, .config = config, .warnings = warnings, .err = err };

	if (load_folder(&l, STATE_TUNNEL) < 0)
		return -1;
	return load_folder(&l, STATE_FORWARDS);
}
