/* SPDX-License-Identifier: MIT */
#include "daemon/supervisor/control_file.h"

#include <errno.h>
#include <grp.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/common/log.h"
#include "daemon/supervisor/directory.h"
#include "daemon/supervisor/lock.h"
#include "lib/str.h"
#include "lib/util.h"

#define GROUP "tunctl"
#define NO_GROUP ((gid_t)-1)
#define BACKLOG 1024

/* Asked once, before the loop runs: whoever knows the groups may be slow. */
static gid_t find_group(void)
{
	const struct group *group = getgrnam(GROUP);

	return group ? group->gr_gid : NO_GROUP;
}

/* Lets the group in, where there is one and we may. */
static void give_to_group(const char *path, mode_t mode, gid_t gid)
{
	if (gid != NO_GROUP && chown(path, (uid_t)-1, gid) == 0 && chmod(path, mode) < 0)
		log_warning("cannot change the mode of %s: %s", path, strerror(errno));
}

/* ---- the directory ---- */

static char *directory_of(const char *path)
{
	CLEANUP(freep) char *copy = strdup(path);

	return copy ? strdup(dirname(copy)) : NULL;
}

static int prepare_directory(const char *path, bool shared, gid_t gid, struct err *err)
{
	CLEANUP(freep) char *directory = directory_of(path);
	struct stat st;

	if (!directory)
		return err_nomem(err);
	if (directory_make_parents(directory, err) < 0)
		return -1;
	if (mkdir(directory, shared ? 0750 : 0700) == 0) {
		if (shared)
			give_to_group(directory, 0750, gid);
		return 0;
	}
	if (errno != EEXIST)
		return err_set_errno(err, ERR_IO, errno, "cannot create the directory %s",
				     directory);
	if (stat(directory, &st) < 0 || !S_ISDIR(st.st_mode))
		return err_set(err, ERR_IO, "%s is not a directory", directory);
	return 0;
}

int control_file_prepare_directory(const char *path, bool shared, struct err *err)
{
	return prepare_directory(path, shared, shared ? find_group() : NO_GROUP, err);
}

/* ---- the socket ---- */

/* A short name beside path: the limit of sun_path is tight. */
static char *hidden_name(const char *path)
{
	CLEANUP(freep) char *directory = directory_of(path);

	return directory ? str_printf("%s/.ctl.%d", directory, (int)getpid()) : NULL;
}

static int check_length(const char *path, struct err *err)
{
	size_t limit = sizeof(((struct sockaddr_un *)0)->sun_path);

	if (strlen(path) < limit)
		return 0;
	return err_set(err, ERR_USAGE,
		       "%s is too long for a socket (%zu bytes at most); choose another with -s",
		       path, limit - 1);
}

static void set_path(struct sockaddr_un *address, const char *path)
{
	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	strcpy(address->sun_path, path); /* check_length() */
}

/* Only what a daemon of ours has left behind may be replaced: a socket on which nobody listens. */
static int check_stale(const char *path, struct err *err)
{
	CLEANUP(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_un address;
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : err_set_errno(err, ERR_IO, errno, "%s", path);
	if (!S_ISSOCK(st.st_mode))
		return err_set(err, ERR_IO, "%s is there and is no socket; choose another with -s",
			       path);
	set_path(&address, path);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 &&
	    errno == ECONNREFUSED)
		return 0;
	return err_set(err, ERR_ALREADY_RUNNING,
		       "another program listens on %s; stop it, or choose another socket with -s",
		       path);
}

/* Nothing listens before its rights are right. */
static int make_socket(const struct control_file *f, int fd, struct err *err)
{
	mode_t mode = f->is_shared ? 0660 : 0600;
	struct sockaddr_un address;

	set_path(&address, f->hidden_path);
	unlink(f->hidden_path);
	fchmod(fd, 0600); /* on Linux the file gets this mode */
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    chmod(f->hidden_path, mode) < 0)
		return err_set_errno(err, ERR_IO, errno, "cannot create %s", f->path);
	if (f->is_shared)
		give_to_group(f->hidden_path, mode, f->gid);
	if (listen(fd, BACKLOG) < 0)
		return err_set_errno(err, ERR_IO, errno, "cannot listen on %s", f->path);
	return 0;
}

int control_file_init(struct control_file *f, const char *path, bool shared, int lock,
		      struct err *err)
{
	*f = (struct control_file){ .lock = lock,
				    .is_shared = shared,
				    .gid = shared ? find_group() : NO_GROUP };
	f->path = strdup(path);
	f->hidden_path = hidden_name(path);
	if (!f->path || !f->hidden_path)
		return err_nomem(err);
	return check_length(path, err) < 0 ? -1 : check_length(f->hidden_path, err);
}

void control_file_fini(struct control_file *f)
{
	if (f->hidden_path)
		unlink(f->hidden_path);
	if (f->path && f->id.inode)
		unix_socket_remove(f->path, &f->id);
	free(f->hidden_path);
	free(f->path);
	*f = (struct control_file){ 0 };
}

int control_file_bind(struct control_file *f, struct err *err)
{
	CLEANUP(closep) int fd = -1;

	if (check_stale(f->path, err) < 0)
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_set_errno(err, ERR_IO, errno, "cannot open a control socket");
	return make_socket(f, fd, err) < 0 ? -1 : TAKE_FD(fd);
}

int control_file_publish(struct control_file *f, struct err *err)
{
	struct stat st;

	if (lstat(f->hidden_path, &st) < 0 || rename(f->hidden_path, f->path) < 0)
		return err_set_errno(err, ERR_IO, errno, "cannot create %s", f->path);
	f->id = (struct unix_file){ st.st_dev, st.st_ino };
	return 0;
}

/* ---- what somebody has removed ---- */

bool control_file_is_lost(const struct control_file *f)
{
	return lock_is_lost(f->lock, f->path) || unix_socket_is_lost(f->path, &f->id);
}

/* Without the lock, who stands in the place may be a daemon that came meanwhile. */
int control_file_restore(struct control_file *f, int *ret_fd, struct err *err)
{
	CLEANUP(closep) int fd = -1;

	*ret_fd = -1;
	if (prepare_directory(f->path, f->is_shared, f->gid, err) < 0)
		return -1;
	if (lock_is_lost(f->lock, f->path) && lock_renew(f->lock, f->path, err) < 0)
		return -1;
	if (!unix_socket_is_lost(f->path, &f->id))
		return 0;
	fd = control_file_bind(f, err);
	if (fd < 0 || control_file_publish(f, err) < 0)
		return -1;
	*ret_fd = TAKE_FD(fd);
	return 0;
}
