/* SPDX-License-Identifier: MIT */
#include "daemon/worker/auth_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/connection.h"
#include "lib/str.h"
#include "lib/util.h"

#define FILE_MAX (1024 * 1024) /* as in OpenSSH */

char *auth_file_path(const char *name, struct err *err)
{
	const char *directory;
	char *path;

	if (strncmp(name, CREDENTIAL_PREFIX, strlen(CREDENTIAL_PREFIX)) != 0) {
		path = strdup(name);
	} else {
		name += strlen(CREDENTIAL_PREFIX);
		directory = getenv("CREDENTIALS_DIRECTORY");
		if (!directory || directory[0] != '/') {
			err_set(err, ERR_CREDENTIAL,
				"there is no credential '%s': $CREDENTIALS_DIRECTORY is not set; "
				"systemd sets it for a unit with LoadCredential=%s:/path",
				name, name);
			return NULL;
		}
		path = str_printf("%s/%s", directory, name);
	}
	if (!path)
		err_nomem(err);
	return path;
}

/* The name of the credential that path would be; NULL: it is no credential's. */
static const char *credential_of(const char *path)
{
	const char *directory = getenv("CREDENTIALS_DIRECTORY");
	size_t length = directory ? strlen(directory) : 0;

	return length > 0 && strncmp(path, directory, length) == 0 && path[length] == '/'
		       ? path + length + 1
		       : NULL;
}

static int fail_missing(const char *path, const char *what, struct err *err)
{
	const char *credential = credential_of(path);

	if (credential)
		return err_set(
			err, ERR_IDENTITY_MISSING,
			"%s %s does not exist: the unit has no credential '%s'; give it one with "
			"LoadCredential=%s:/path",
			what, path, credential, credential);
	if (streq(what, "identity"))
		return err_set(err, ERR_IDENTITY_MISSING,
			       "identity %s does not exist; make one with: ssh-keygen -t ed25519 "
			       "-N '' -f %s",
			       path, path);
	return err_set(err, ERR_IDENTITY_MISSING, "%s %s does not exist", what, path);
}

static int check_kind(const struct stat *st, const char *path, const char *what, struct err *err)
{
	if (!S_ISREG(st->st_mode))
		return err_set(err, ERR_IDENTITY_UNREADABLE, "%s %s is not a file", what, path);
	if (st->st_size == 0)
		return err_set(err, ERR_IDENTITY_UNREADABLE, "%s %s is empty", what, path);
	if (st->st_size > FILE_MAX)
		return err_set(err, ERR_IDENTITY_UNREADABLE, "%s %s is far too large", what, path);
	return 0;
}

static int read_all(struct auth_file *file, int fd, size_t size, struct err *err)
{
	file->text = calloc(1, size + 1);
	if (!file->text)
		return err_nomem(err);
	while (file->size < size) {
		ssize_t n = read(fd, file->text + file->size, size - file->size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set_errno(err, ERR_IDENTITY_UNREADABLE, errno, "read");
		if (n == 0)
			break;
		file->size += (size_t)n;
	}
	return 0;
}

int auth_file_read(struct auth_file *file, const char *path, const char *what, struct err *err)
{
	/* O_NONBLOCK so that a FIFO in this place cannot hang us. */
	CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	*file = (struct auth_file){ 0 };
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return fail_missing(path, what, err);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set_errno(err, ERR_IDENTITY_UNREADABLE, errno, "cannot read %s %s", what,
				     path);
	if (check_kind(&st, path, what, err) < 0)
		return -1;
	file->owner = st.st_uid;
	file->mode = st.st_mode & 07777;
	if (read_all(file, fd, (size_t)st.st_size, err) == 0)
		return 0;
	auth_file_fini(file);
	return err_prefix(err, "cannot read %s %s", what, path);
}

int auth_file_check_private(const struct auth_file *file, const char *path, struct err *err)
{
	if (file->owner != getuid() || (file->mode & 077) == 0)
		return 0;
	return err_set(err, ERR_IDENTITY_PERMISSIONS,
		       "identity %s can be read by others (mode %04o): chmod 600 it", path,
		       (unsigned)file->mode);
}

void auth_file_fini(struct auth_file *file)
{
	if (file->text)
		explicit_bzero(file->text, file->size);
	free(file->text);
	*file = (struct auth_file){ 0 };
}
