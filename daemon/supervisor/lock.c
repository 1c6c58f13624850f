/* SPDX-License-Identifier: MIT */
#include "daemon/supervisor/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/str.h"
#include "lib/util.h"

static int explain(int fd, const char *socket_path, struct err *err)
{
	char text[24] = "";
	long pid = pread(fd, text, sizeof(text) - 1, 0) > 0 ? strtol(text, NULL, 10) : 0;

	if (pid > 0)
		return err_set(
			err, ERR_ALREADY_RUNNING,
			"tunneld is already running on %s (pid %ld); steer it with tunctl, or "
			"start another one with -s and --state-dir",
			socket_path, pid);
	return err_set(err, ERR_ALREADY_RUNNING, "tunneld is already running on %s", socket_path);
}

int lock_acquire(const char *socket_path, struct err *err)
{
	CLEANUP(freep) char *path = str_printf("%s.lock", socket_path);
	CLEANUP(closep) int fd = -1;

	if (!path)
		return err_nomem(err);
	fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0640);
	if (fd < 0)
		return err_set_errno(err, ERR_IO, errno, "cannot open %s", path);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno == EWOULDBLOCK)
			return explain(fd, socket_path, err);
		return err_set_errno(err, ERR_IO, errno, "cannot lock %s", path);
	}
	if (ftruncate(fd, 0) < 0 || dprintf(fd, "%d\n", (int)getpid()) < 0)
		return err_set_errno(err, ERR_IO, errno, "cannot write %s", path);
	return TAKE_FD(fd);
}

bool lock_is_lost(int fd, const char *socket_path)
{
	CLEANUP(freep) char *path = str_printf("%s.lock", socket_path);
	struct stat named, held;

	if (!path || fstat(fd, &held) < 0)
		return false;
	if (lstat(path, &named) < 0)
		return errno == ENOENT || errno == ENOTDIR; /* else it cannot be told */
	return named.st_dev != held.st_dev || named.st_ino != held.st_ino;
}

int lock_renew(int fd, const char *socket_path, struct err *err)
{
	CLEANUP(closep) int other = lock_acquire(socket_path, err);

	if (other < 0)
		return -1;
	return dup3(other, fd, O_CLOEXEC) < 0 ? err_set_errno(err, ERR_IO, errno, "cannot lock")
					      : 0;
}
