/* SPDX-License-Identifier: MIT */
#include "daemon/supervisor/known_hosts_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/supervisor/durable.h"
#include "lib/known_hosts.h"
#include "lib/known_hosts_edit.h"
#include "lib/str.h"
#include "lib/util.h"

#define LOCK_PATIENCE_MS 3000 /* for another program that writes the file */
#define LOCK_LOOK_MS 20
#define REOPEN_MAX 8 /* times the file is replaced while we wait for it */

static int fail(struct err *err, const char *path)
{
	return err_set_errno(err, ERR_KNOWN_HOSTS_WRITE, errno, "cannot write known hosts %s",
			     path);
}

/* The directory part of path, malloced. */
static char *directory_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return strdup(".");
	return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

static int sync_directory(const char *path)
{
	CLEANUP(freep) char *directory = directory_of(path);
	CLEANUP(closep)
	int fd = directory ? open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	return fd < 0 ? -1 : fsync(fd);
}

/* ---- opening ---- */

static int open_regular(const char *path, int flags, struct err *err)
{
	int fd = open(path, O_RDWR | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | flags, 0600);
	struct stat st;

	if (fd < 0)
		return fail(err, path);
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		return fd;
	close(fd);
	return err_set(err, ERR_KNOWN_HOSTS_WRITE,
		       "cannot write known hosts %s: it is not a regular file", path);
}

static int lock(int fd, const char *path, struct err *err)
{
	uint64_t deadline_ms = monotonic_ms() + LOCK_PATIENCE_MS;

	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return fail(err, path);
		if (monotonic_ms() >= deadline_ms)
			return err_set(err, ERR_KNOWN_HOSTS_WRITE,
				       "cannot write known hosts %s: another program has kept it "
				       "locked for %d s",
				       path, LOCK_PATIENCE_MS / 1000);
		poll(NULL, 0, LOCK_LOOK_MS);
	}
	return 0;
}

/* Whether path still is what fd was opened as: who had the lock before may have replaced it. */
static bool is_current(int fd, const char *path)
{
	struct stat ours, now;

	return fstat(fd, &ours) == 0 && stat(path, &now) == 0 && ours.st_ino == now.st_ino &&
	       ours.st_dev == now.st_dev;
}

/* The file, locked. */
static int open_locked(const char *path, int flags, struct err *err)
{
	for (int i = 0; i < REOPEN_MAX; i++) {
		int fd = open_regular(path, flags, err);

		if (fd < 0)
			return -1;
		if (lock(fd, path, err) < 0) {
			close(fd);
			return -1;
		}
		if (is_current(fd, path))
			return fd;
		close(fd);
	}
	return err_set(err, ERR_KNOWN_HOSTS_WRITE,
		       "cannot write known hosts %s: it is being replaced again and again", path);
}

/* ---- bytes ---- */

static char *read_all(int fd, const char *path, size_t *ret_length, struct err *err)
{
	struct stat st;
	CLEANUP(freep) char *text = NULL;
	size_t used = 0;
	ssize_t n = 1;

	if (fstat(fd, &st) < 0 || st.st_size > KNOWN_HOSTS_FILE_MAX) {
		err_set(err, ERR_KNOWN_HOSTS_WRITE,
			"known hosts %s is not a file of at most %d MiB", path,
			KNOWN_HOSTS_FILE_MAX >> 20);
		return NULL;
	}
	text = malloc((size_t)st.st_size + 1);
	if (!text) {
		err_nomem(err);
		return NULL;
	}
	while (n > 0 && used < (size_t)st.st_size) {
		n = pread(fd, text + used, (size_t)st.st_size - used, (off_t)used);
		used += n > 0 ? (size_t)n : 0;
	}
	if (n < 0) {
		fail(err, path);
		return NULL;
	}
	*ret_length = used;
	return TAKE(text);
}

/* ---- appending ---- */

static bool ends_in_newline(const char *text, size_t length)
{
	return length == 0 || text[length - 1] == '\n';
}

/* A disk that is full in the middle of the line must not leave half a key behind. */
static int append_line(int fd, const char *path, size_t length, const char *line, struct err *err)
{
	if (durable_write(fd, line, strlen(line)) == 0)
		return 0;
	fail(err, path);
	if (ftruncate(fd, (off_t)length) < 0)
		err_prefix(err, "the last line may be half written");
	return -1;
}

static int append_locked(int fd, const char *path, const char *label, const struct public_key *key,
			 bool *ret_written, struct err *err)
{
	CLEANUP(freep) char *text = NULL, *line = NULL;
	size_t length;

	text = read_all(fd, path, &length, err);
	if (!text)
		return -1;
	if (known_hosts_text_has(text, length, label, key))
		return 0;
	line = str_printf("%s%s %s %s\n", ends_in_newline(text, length) ? "" : "\n", label,
			  key->type, key->base64);
	if (!line)
		return err_nomem(err);
	*ret_written = true;
	return append_line(fd, path, length, line, err);
}

static int make_directory(const char *path, struct err *err)
{
	CLEANUP(freep) char *directory = directory_of(path);

	if (!directory)
		return err_nomem(err);
	if (mkdir(directory, 0700) < 0 && errno != EEXIST)
		return err_set_errno(err, ERR_KNOWN_HOSTS_WRITE, errno,
				     "cannot create the directory %s for known hosts", directory);
	return 0;
}

int known_hosts_file_append(const char *path, const char *label, const struct public_key *key,
			    bool *ret_written, struct err *err)
{
	CLEANUP(closep) int fd = -1;
	bool is_new = access(path, F_OK) < 0;

	*ret_written = false;
	if (is_new && make_directory(path, err) < 0)
		return -1;
	fd = open_locked(path, O_CREAT, err);
	if (fd < 0 || append_locked(fd, path, label, key, ret_written, err) < 0)
		return -1;
	if (is_new && sync_directory(path) < 0)
		return fail(err, path);
	return 0;
}

/* ---- replacing ---- */

/* As private and as owned as the one it replaces. A file of ours may have a group that is not ours to
 * give: the new one has our group then, which may do no more than everybody could. */
static int copy_rights(int fd, int like)
{
	struct stat st;

	if (fstat(like, &st) < 0)
		return -1;
	if (fchown(fd, st.st_uid, st.st_gid) < 0) {
		if (errno != EPERM || st.st_uid != geteuid())
			return -1;
		st.st_mode = (st.st_mode & ~(mode_t)S_IRWXG) | (st.st_mode & S_IRWXO) << 3;
	}
	return fchmod(fd, st.st_mode & 07777);
}

/* Puts text where path is, which fd is open on. */
static int put(int fd, const char *path, const char *text, size_t length, struct err *err)
{
	CLEANUP(freep) char *temporary = str_printf("%s.XXXXXX", path);
	CLEANUP(closep) int new = -1;

	if (!temporary)
		return err_nomem(err);
	new = mkostemp(temporary, O_CLOEXEC);
	if (new < 0)
		return fail(err, path);
	if (copy_rights(new, fd) < 0 || durable_write(new, text, length) < 0 ||
	    rename(temporary, path) < 0) {
		fail(err, path);
		unlink(temporary);
		return -1;
	}
	return sync_directory(path) < 0 ? fail(err, path) : 0;
}

static int replace_locked(int fd, const char *path, const char *label, const struct public_key *key,
			  struct err *err)
{
	CLEANUP(freep) char *before = NULL, *after = NULL;
	size_t length;

	before = read_all(fd, path, &length, err);
	if (!before)
		return -1;
	after = known_hosts_text_replace(before, length, label, key, &length);
	return after ? put(fd, path, after, length, err) : err_nomem(err);
}

int known_hosts_file_replace(const char *path, const char *label, const struct public_key *key,
			     struct err *err)
{
	CLEANUP(freep) char *resolved = realpath(path, NULL);
	CLEANUP(closep) int fd = -1;

	if (!resolved)
		return fail(err, path);
	fd = open_locked(resolved, 0, err);
	return fd < 0 ? -1 : replace_locked(fd, resolved, label, key, err);
}
