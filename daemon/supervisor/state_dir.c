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
#include "lib/node.h"
#include "lib/str.h"

#define ADDED "added"
#define SUFFIX ".json"
#define FILE_MAX (256 * 1024)

/* ---- writing ---- */

static int make_directory(const char *path, struct err *err)
{
	if (directory_make_parents(path, err) < 0)
		return -1;
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return err_set_errno(err, ERR_IO, errno, "cannot create the directory %s", path);
	return 0;
}

/* DIR/added as a descriptor. */
static int open_added(const char *dir, bool create, struct err *err)
{
	CLEANUP(freep) char *path = str_printf("%s/" ADDED, dir);
	int fd;

	if (!path)
		return err_nomem(err);
	if (create && make_directory(path, err) < 0)
		return -1;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd >= 0 ? fd : err_set_errno(err, ERR_IO, errno, "cannot open %s", path);
}

static int write_all(int fd, const char *bytes, size_t size)
{
	while (size > 0) {
		ssize_t n = write(fd, bytes, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		bytes += n;
		size -= (size_t)n;
	}
	return fsync(fd);
}

static int write_file(int added, const char *file, const char *json)
{
	CLEANUP(freep) char *temporary = str_printf(".%s.new", file);
	CLEANUP(closep) int fd = -1;

	if (!temporary) {
		errno = ENOMEM;
		return -1;
	}
	fd = openat(added, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -1;
	if (write_all(fd, json, strlen(json)) < 0 || renameat(added, temporary, added, file) < 0) {
		int sys = errno;

		unlinkat(added, temporary, 0);
		errno = sys;
		return -1;
	}
	return fsync(added);
}

int state_dir_write(const char *dir, const char *name, const char *json, struct err *err)
{
	CLEANUP(freep) char *file = str_printf("%s" SUFFIX, name);
	CLEANUP(closep) int added = -1;

	if (strlen(json) > FILE_MAX) /* it could not be read back */
		return err_set(err, ERR_LIMIT,
			       "settings of more than %d KiB cannot be added; write them into the "
			       "configuration file",
			       FILE_MAX / 1024);
	added = open_added(dir, true, err);
	if (added < 0)
		return -1;
	if (!file)
		return err_nomem(err);
	if (write_file(added, file, json) < 0)
		return err_set_errno(err, ERR_IO, errno, "cannot write %s/" ADDED "/%s", dir, file);
	return 0;
}

int state_dir_remove(const char *dir, const char *name, struct err *err)
{
	CLEANUP(freep) char *file = str_printf("%s" SUFFIX, name);
	CLEANUP(closep) int added = open_added(dir, false, err);

	if (added < 0)
		return -1;
	if (!file)
		return err_nomem(err);
	if ((unlinkat(added, file, 0) < 0 && errno != ENOENT) || fsync(added) < 0)
		return err_set_errno(err, ERR_IO, errno, "cannot remove %s/" ADDED "/%s", dir,
				     file);
	return 0;
}

/* ---- reading ---- */

static int warn(struct strv *warnings, struct err *err, const char *text)
{
	return strv_add(warnings, text) < 0 ? err_nomem(err) : 0;
}

/* The text of a file, or NULL with why. */
static char *read_text(int added, const char *file, struct err *why)
{
	CLEANUP(closep)
	int fd = openat(added, file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
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

static struct node *read_tree(int added, const char *file, struct err *why)
{
	CLEANUP(freep) char *text = read_text(added, file, why);
	json_error_t where;
	json_t *json;
	struct node *tree;

	if (!text)
		return NULL;
	json = json_loads(text, JSON_REJECT_DUPLICATES, &where);
	if (!json) {
		err_set(why, ERR_CONFIG, "is not JSON (line %d)", where.line);
		return NULL;
	}
	tree = node_from_json(json, why);
	json_decref(json);
	return tree;
}

/* why: the first problem, in short. */
static bool add_tunnel(struct config *config, int added, const char *file, const char *name,
		       struct err *why)
{
	struct config_problems problems = { 0 };
	CLEANUP(node_freep) struct node *tree = read_tree(added, file, why);
	bool ok;

	if (!tree)
		return false;
	ok = config_add_tunnel(config, name, tree, &problems);
	if (!ok)
		err_set(why, ERR_CONFIG, "%s",
			problems.count > 0 ? problems.items[0].message : "out of memory");
	config_problems_fini(&problems);
	return ok;
}

/* "NAME.json" → NAME in place; false for any other file. */
static bool strip_suffix(char *file)
{
	size_t length = strlen(file), suffix = strlen(SUFFIX);

	if (length <= suffix || strcmp(file + length - suffix, SUFFIX) != 0)
		return false;
	file[length - suffix] = '\0';
	return config_name_is_valid(file);
}

static int load_file(const char *dir, int added, const char *file, struct config *config,
		     struct strv *warnings, struct err *err)
{
	CLEANUP(freep) char *name = strdup(file);
	CLEANUP(freep) char *text = NULL;
	const struct config_tunnel *same;
	struct err why;

	if (!name)
		return err_nomem(err);
	if (file[0] == '.' && strstr(file, ".new"))
		return 0; /* half written when the power went */
	if (!strip_suffix(name))
		return 0;
	same = config_find(config, name);
	if (same)
		text = str_printf("tunnel '%s' was added, but now stands in %s:%u, which wins; "
				  "remove %s/" ADDED "/%s",
				  name, same->source, same->line, dir, file);
	else if (!add_tunnel(config, added, file, name, &why))
		text = str_printf("the added tunnel '%s' is left out: %s (%s/" ADDED "/%s)", name,
				  why.msg, dir, file);
	else
		return 0;
	return text ? warn(warnings, err, text) : err_nomem(err);
}

int state_dir_load(const char *dir, struct config *config, struct strv *warnings, struct err *err)
{
	struct err why;
	CLEANUP(closep) int added = open_added(dir, false, &why);
	struct dirent **entries = NULL;
	int count, rc = 0;

	if (added < 0)
		return why.sys == ENOENT ? 0 : warn(warnings, err, why.msg);
	count = scandirat(added, ".", &entries, NULL, alphasort);
	for (int i = 0; i < count; i++) {
		if (rc == 0)
			rc = load_file(dir, added, entries[i]->d_name, config, warnings, err);
		free(entries[i]);
	}
	free(entries);
	return rc;
}
