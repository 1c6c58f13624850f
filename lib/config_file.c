/* SPDX-License-Identifier: MIT */
/*
 * Files as the configuration needs them: their text, their names, their place. A FIFO, a device or
 * a directory in place of a file is an error, never a wait. Wildcards stand in the last part of a
 * path only, so that one pattern reads one directory and not the whole disk.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/config_read.h"
#include "lib/str.h"
#include "lib/util.h"

static const char *kind_of(mode_t mode)
{
	return S_ISDIR(mode) ? "a directory" : S_ISFIFO(mode) ? "a pipe" : "a device";
}

/* Reads fd to its end; NULL with err. */
static char *read_all(int fd, size_t bytes_max, size_t *ret_length, struct err *err)
{
	CLEANUP(freep) char *text = malloc(bytes_max + 1);
	size_t length = 0;

	if (!text) {
		err_nomem(err);
		return NULL;
	}
	while (length <= bytes_max) {
		ssize_t n = read(fd, text + length, bytes_max + 1 - length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			err_set_errno(err, ERR_IO, errno, "cannot read it");
			return NULL;
		}
		if (n == 0)
			break;
		length += (size_t)n;
	}
	*ret_length = length;
	return TAKE(text);
}

char *config_file_read(const char *path, size_t bytes_max, size_t *ret_length,
		       struct config_file_id *ret_id, struct err *err)
{
	/* Without O_NONBLOCK the open of a FIFO waits for a writer. */
	CLEANUP(closep) int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0) {
		if (errno == ENOENT)
			err_set(err, ERR_IO, "No such file; write it, or name another one");
		else
			err_set_errno(err, ERR_IO, errno, "cannot open it");
		return NULL;
	}
	if (!S_ISREG(st.st_mode)) {
		err_set(err, ERR_CONFIG, "is %s, not a file", kind_of(st.st_mode));
		return NULL;
	}
	*ret_id = (struct config_file_id){ .device = st.st_dev,
					   .inode = st.st_ino,
					   .exposed = (st.st_mode & 077) != 0 };
	return read_all(fd, bytes_max, ret_length, err);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Adds the names in dir that match. */
static int match_in(const char *directory, const char *pattern, struct strv *ret, struct err *err)
{
	DIR *dir = opendir(directory);
	int result = 0;

	if (!dir && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (!dir)
		return err_set_errno(err, ERR_IO, errno, "cannot list '%s'", directory);
	for (struct dirent *entry; result == 0 && (entry = readdir(dir));) {
		CLEANUP(freep) char *path = NULL;

		if (fnmatch(pattern, entry->d_name, FNM_PERIOD) != 0)
			continue;
		path = str_printf("%s/%s", directory, entry->d_name);
		if (ret->count == CONFIG_FILES_MAX)
			result = err_set(err, ERR_CONFIG, "matches more than %d files",
					 CONFIG_FILES_MAX);
		else if (!path || strv_add(ret, path) < 0)
			result = err_nomem(err);
	}
	closedir(dir);
	if (ret->count > 0)
		qsort(ret->items, ret->count, sizeof(*ret->items), by_text);
	return result;
}

int config_file_match(const char *pattern, struct strv *ret, struct err *err)
{
	static const char wildcards[] = "*?[";
	const char *last = strrchr(pattern, '/');
	CLEANUP(freep) char *directory = NULL;

	if (!strpbrk(pattern, wildcards))
		return strv_add(ret, pattern) < 0 ? err_nomem(err) : 0;
	directory = last > pattern ? strndup(pattern, (size_t)(last - pattern)) : strdup("");
	if (!directory)
		return err_nomem(err);
	if (strpbrk(directory, wildcards))
		return err_set(err, ERR_CONFIG, "wildcards may stand only behind the last '/'");
	return match_in(*directory ? directory : "/", last ? last + 1 : pattern, ret, err);
}

/* Text after the path of node's file up to its last '/', which has one: it is absolute. */
static char *beside(const struct node *node, const char *text)
{
	const char *last = strrchr(node->file, '/');

	return str_printf("%.*s/%s", (int)(last ? last - node->file : 0), node->file, text);
}

/* Things that look like a path and would be taken for a file of that name. */
static const char *not_a_path(const char *text)
{
	if (*text == '\0')
		return "the path is empty";
	if (strcmp(text, IDENTITY_AGENT) == 0 ||
	    strncmp(text, CREDENTIAL_PREFIX, strlen(CREDENTIAL_PREFIX)) == 0)
		return "only a file's path can stand here (./ before the name makes it one)";
	if (*text == '~' && text[1] != '/')
		return "only '~/' is known, the home of the user the daemon runs as";
	if (strlen(text) > CONFIG_PATH_MAX)
		return "the path is too long";
	for (; *text; text++) {
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return "a path cannot contain control characters";
	}
	return NULL;
}

char *config_expand_path(struct config_decoder *d, const struct node *node, const char *text)
{
	const char *refusal = not_a_path(text);
	char *path = NULL, shown[80];

	str_escape(shown, sizeof(shown), text, strlen(text));
	if (!refusal && *text == '~' && !d->home)
		refusal = "the home directory is not known; write an absolute path";
	if (!refusal && *text != '/' && *text != '~' && !node->file)
		refusal = "an absolute path is needed here";
	if (refusal) {
		config_complain(d, node, "'%s': %s", shown, refusal);
		return NULL;
	}
	if (*text == '/')
		path = strdup(text);
	else
		path = *text == '~' ? str_printf("%s%s", d->home, text + 1) : beside(node, text);
	if (!path)
		config_complain(d, node, "out of memory");
	return path;
}
