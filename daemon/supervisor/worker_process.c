/* SPDX-License-Identifier: MIT */
#include "daemon/supervisor/worker_process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/supervisor/process.h"
#include "lib/str.h"
#include "lib/util.h"

#define PROGRAM "tunneld-worker"

/* The sibling of the running program, NULL when there is none that can be started. */
static char *find_beside(void)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash, *path;

	if (n <= 0)
		return NULL;
	self[n] = '\0';
	slash = strrchr(self, '/');
	path = slash ? str_printf("%.*s/" PROGRAM, (int)(slash - self), self) : NULL;
	if (path && access(path, X_OK) == 0)
		return path;
	free(path);
	return NULL;
}

char *worker_process_find(void)
{
	const char *named = getenv("TUNNELD_WORKER");
	char *path;

	if (named && *named)
		return strdup(named);
	path = find_beside();
	return path ? path : strdup(WORKER_DIR "/" PROGRAM);
}

/* A process group of its own: Ctrl-C in a terminal is for the supervisor, which then ends the
 * workers politely. Signals we ignore or catch get their defaults back. */
static int prepare_attributes(posix_spawnattr_t *attr)
{
	sigset_t all, none;

	sigfillset(&all);
	sigemptyset(&none);
	if (posix_spawnattr_setflags(attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF |
						   POSIX_SPAWN_SETSIGMASK) != 0)
		return -1;
	posix_spawnattr_setpgroup(attr, 0);
	posix_spawnattr_setsigdefault(attr, &all);
	posix_spawnattr_setsigmask(attr, &none);
	return 0;
}

static int spawn_with_line(const char *program, int line, pid_t *ret_pid)
{
	CLEANUP(freep) char **environment = process_environment();
	char *argv[] = { (char *)PROGRAM, NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	int rc;

	if (!environment || posix_spawn_file_actions_init(&actions) != 0)
		return ENOMEM;
	if (posix_spawnattr_init(&attr) != 0) {
		posix_spawn_file_actions_destroy(&actions);
		return ENOMEM;
	}
	rc = prepare_attributes(&attr) < 0 ? ENOMEM : 0;
	if (rc == 0)
		rc = posix_spawn_file_actions_adddup2(&actions, line, WORKER_LINE_FD);
	if (rc == 0)
		rc = posix_spawn(ret_pid, program, &actions, &attr, argv, environment);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	return rc;
}

int worker_process_spawn(const char *program, pid_t *ret_pid, int *ret_fd, struct err *err)
{
	int pair[2] = { -1, -1 };
	int rc;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return err_set_errno(err, ERR_WORKER, errno, "cannot open a line to a worker");
	rc = spawn_with_line(program, pair[1], ret_pid);
	close(pair[1]);
	if (rc != 0) {
		close(pair[0]);
		return err_set_errno(err, ERR_WORKER, rc, "cannot start %s", program);
	}
	*ret_fd = pair[0];
	return 0;
}
