/* SPDX-License-Identifier: MIT */
#include "daemon/supervisor/worker_process.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/supervisor/process.h"
#include "lib/str.h"
#include "lib/util.h"

#define PROGRAM "tunneld-worker"

/* AMD's Zen 3 and 4 copy at 2 GB/s instead of 40 with `rep movsb` when source and destination are a few
 * bytes apart modulo 4096, and glibc before 2.40 takes it from 4 KiB on (its bug 30994). A session copies each
 * packet of 32 KiB several times, between places the heap happens to have: with bad luck that is a quarter
 * of a worker's CPU. Below a threshold larger than any packet, vector instructions do it. */
static const char copy_by_vectors[] = "GLIBC_TUNABLES=glibc.cpu.x86_rep_movsb_threshold=1073741824";

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

static bool has_slow_copies(void)
{
#if defined(__x86_64__)
	return __builtin_cpu_is("amd");
#else
	return false;
#endif
}

int worker_process_spawn(const char *program, struct worker_process *ret, struct err *err)
{
	char *argv[] = { (char *)PROGRAM, NULL };
	int fds[] = { STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO, [WORKER_LINE_FD] = -1 };
	struct process_plan plan = { .path = program,
				     .argv = argv,
				     .fds = fds,
				     .fd_count = ARRAY_SIZE(fds),
				     .variable = has_slow_copies() ? copy_by_vectors : NULL,
				     .is_ours = true };
	int pair[2], rc;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return err_set_errno(err, ERR_WORKER, errno, "cannot open a line to a worker");
	fds[WORKER_LINE_FD] = pair[1];
	rc = process_spawn(&plan, &ret->pid, &ret->report, err);
	close(pair[1]);
	if (rc < 0) {
		close(pair[0]);
		err->code = ERR_WORKER;
		return -1;
	}
	ret->line = pair[0];
	return 0;
}
