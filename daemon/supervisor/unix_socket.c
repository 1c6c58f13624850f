/* SPDX-License-Identifier: MIT */
#include "daemon/supervisor/unix_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/supervisor/port_owner.h"
#include "lib/str.h"
#include "lib/util.h"

#define HIDDEN_MAX 72

/* One socket on its way into the file system. */
struct making {
	const char *path, *name; /* name: the last part of path */
	const struct unix_rights *rights;
	int directory; /* O_PATH */
	char hidden[HIDDEN_MAX]; /* what it is called meanwhile, within directory */
	int file; /* O_PATH of it; -1: not made yet */
	struct unix_file id;
};

static bool is_file(const struct stat *st, const struct unix_file *file)
{
	return S_ISSOCK(st->st_mode) && st->st_dev == file->device && st->st_ino == file->inode;
}

static int fail(const struct making *m, int sys, const char *what, struct err *err)
{
	return err_set_errno(err, ERR_BIND, sys, "cannot listen on %s: cannot %s", m->path, what);
}

/* ---- the directory ---- */

static int open_directory(struct making *m, struct err *err)
{
	CLEANUP(freep) char *path = NULL;
	const char *slash = strrchr(m->path, '/');

	if (!slash || !slash[1])
		return err_set(err, ERR_BIND, "cannot listen on %s: it is no path of a file",
			       m->path);
	m->name = slash + 1;
	path = str_printf("%.*s", MAX((int)(slash - m->path), 1), m->path);
	if (!path)
		return err_nomem(err);
	m->directory = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (m->directory >= 0)
		return 0;
	if (errno == ENOENT)
		return err_set(err, ERR_BIND,
			       "cannot listen on %s: there is no directory %s; create it, or "
			       "choose another 'listen'",
			       m->path, path);
	return fail(m, errno, "open its directory", err);
}

/* ---- what is there already ---- */

static const char *kind_of(mode_t mode)
{
	return S_ISREG(mode)    ? "a file"
	       : S_ISDIR(mode)  ? "a directory"
	       : S_ISLNK(mode)  ? "a symbolic link"
	       : S_ISFIFO(mode) ? "a named pipe"
				: "a device";
}

static int explain_living(const struct making *m, int fd, struct err *err)
{
	struct ucred peer;
	socklen_t length = sizeof(peer);
	char name[32];

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0 || peer.pid <= 0)
		return err_set(
			err, ERR_PORT_IN_USE,
			"%s is in use by another process; choose another 'listen' or stop it",
			m->path);
	return err_set(err, ERR_PORT_IN_USE,
		       "%s is in use by %s (pid %d); choose another 'listen' or stop it", m->path,
		       process_name(name, sizeof(name), peer.pid), (int)peer.pid);
}

/* Only a socket that refuses is stale; a full backlog (EAGAIN) is a sign of life. */
static int check_nobody_listens(const struct making *m, struct err *err)
{
	CLEANUP(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (fd < 0)
		return fail(m, errno, "open a socket", err);
	strcpy(address.sun_path, m->path);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 || errno == EAGAIN)
		return explain_living(m, fd, err);
	if (errno == ECONNREFUSED)
		return 0;
	return err_set_errno(err, ERR_PORT_IN_USE, errno,
			     "%s is a socket that cannot be told to be unused; remove it, or "
			     "choose another 'listen'",
			     m->path);
}

static int clear_the_way(const struct making *m, struct err *err)
{
	struct unix_file file;
	struct stat st;

	if (fstatat(m->directory, m->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : fail(m, errno, "look at it", err);
	if (!S_ISSOCK(st.st_mode))
		return err_set(err, ERR_BIND,
			       "cannot listen on %s: %s of that name is there, which is no socket; "
			       "move it away, or choose another 'listen'",
			       m->path, kind_of(st.st_mode));
	file = (struct unix_file){ st.st_dev, st.st_ino };
	if (check_nobody_listens(m, err) < 0)
		return -1;
	if (fstatat(m->directory, m->name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !is_file(&st, &file))
		return 0; /* not what was asked; renaming does not replace it */
	if (unlinkat(m->directory, m->name, 0) < 0 && errno != ENOENT)
		return fail(m, errno, "remove the unused socket there", err);
	return 0;
}

/* ---- making ---- */

/* Where to bind. Through the directory's descriptor when the name would be too long. */
static void hidden_path(const struct making *m, struct sockaddr_un *ret)
{
	size_t directory = (size_t)(m->name - m->path);

	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (directory + strlen(m->hidden) < sizeof(ret->sun_path))
		strcpy(mempcpy(ret->sun_path, m->path, directory), m->hidden);
	else
		snprintf(ret->sun_path, sizeof(ret->sun_path), "/proc/self/fd/%d/%s", m->directory,
			 m->hidden);
}

/* What a daemon that was killed in the middle left behind. */
static void remove_leftover(const struct making *m)
{
	struct stat st;

	if (fstatat(m->directory, m->hidden, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISSOCK(st.st_mode) && st.st_uid == geteuid())
		unlinkat(m->directory, m->hidden, 0);
}

/* Takes hold of the file itself, so that its rights are not given to another one that has taken
 * the name meanwhile: the directory may be somebody else's. */
static int hold_file(struct making *m, struct err *err)
{
	struct stat st;

	m->file = openat(m->directory, m->hidden, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (m->file < 0 || fstat(m->file, &st) < 0)
		return fail(m, errno, "open what was made there", err);
	if (!S_ISSOCK(st.st_mode) || st.st_uid != geteuid() || st.st_nlink != 1)
		return err_set(err, ERR_BIND,
			       "cannot listen on %s: somebody else changes its "
			       "directory at this moment",
			       m->path);
	m->id = (struct unix_file){ st.st_dev, st.st_ino };
	return 0;
}

/* fchmod() refuses O_PATH descriptors, their links in /proc do not. */
static int give_rights(int file, const struct unix_rights *rights)
{
	gid_t gid = rights->group ? rights->gid : getegid();
	char link[32];

	if (fchownat(file, "", (uid_t)-1, gid, AT_EMPTY_PATH) < 0)
		return -1;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", file);
	return chmod(link, rights->mode);
}

static int bind_hidden(struct making *m, int fd, struct err *err)
{
	struct sockaddr_un address;

	snprintf(m->hidden, sizeof(m->hidden), ".%.60s.new", m->name);
	hidden_path(m, &address);
	remove_leftover(m);
	/* On Linux the file gets this mode; without it, a moment's connect() would fail anyway:
	 * nothing listens yet. */
	fchmod(fd, 0600);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return hold_file(m, err);
	if (errno == EACCES || errno == EROFS)
		return err_set_errno(err, ERR_BIND, errno,
				     "cannot listen on %s: tunneld may not create files in its "
				     "directory",
				     m->path);
	return fail(m, errno, "bind", err);
}

/* Replaces nothing, where the file system can promise that. */
static int publish(const struct making *m, struct err *err)
{
	if (renameat2(m->directory, m->hidden, m->directory, m->name, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno == EEXIST)
		return err_set(err, ERR_PORT_IN_USE,
			       "cannot listen on %s: another program took the name at this moment",
			       m->path);
	if (errno == EINVAL && renameat(m->directory, m->hidden, m->directory, m->name) == 0)
		return 0;
	return fail(m, errno, "rename the socket", err);
}

static int make(struct making *m, int fd, int backlog, struct err *err)
{
	if (bind_hidden(m, fd, err) < 0)
		return -1;
	if (give_rights(m->file, m->rights) < 0)
		return m->rights->group
			       ? err_set_errno(err, ERR_BIND, errno,
					       "cannot listen on %s: cannot give it to the group "
					       "'%s', in which tunneld has to be",
					       m->path, m->rights->group)
			       : fail(m, errno, "change its mode", err);
	if (listen(fd, backlog) < 0)
		return fail(m, errno, "listen", err);
	return publish(m, err);
}

int unix_socket_open(const char *path, const struct unix_rights *rights, int backlog,
		     struct unix_file *ret, struct err *err)
{
	struct making m = { .path = path, .rights = rights, .directory = -1, .file = -1 };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int rc = fd < 0 ? fail(&m, errno, "open a socket", err) : 0;

	if (rc == 0)
		rc = open_directory(&m, err);
	if (rc == 0)
		rc = clear_the_way(&m, err);
	if (rc == 0)
		rc = make(&m, fd, backlog, err);
	if (rc < 0 && m.file >= 0)
		unlinkat(m.directory, m.hidden, 0);
	if (rc < 0)
		closep(&fd);
	closep(&m.file);
	closep(&m.directory);
	*ret = m.id;
	return fd;
}

bool unix_socket_set_rights(const char *path, const struct unix_file *file,
			    const struct unix_rights *rights)
{
	CLEANUP(closep) int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && is_file(&st, file) && give_rights(fd, rights) == 0;
}

bool unix_socket_is_lost(const char *path, const struct unix_file *file)
{
	struct stat st;

	if (lstat(path, &st) == 0)
		return !is_file(&st, file);
	return errno == ENOENT || errno == ENOTDIR; /* else it cannot be told */
}

void unix_socket_remove(const char *path, const struct unix_file *file)
{
	struct stat st;

	if (lstat(path, &st) == 0 && is_file(&st, file))
		unlink(path);
}
