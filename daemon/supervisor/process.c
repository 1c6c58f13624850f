/* SPDX-License-Identifier: MIT */
/*
 * fork(2), not posix_spawn(3), because only between fork and exec can a process ask to be killed
 * with its parent. What runs there calls nothing that is not safe after a fork of a program with
 * threads.
 */
#include "daemon/supervisor/process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lib/newborn.h"
#include "lib/str.h"
#include "lib/util.h"

#define FILES_SOFT 1024 /* open files; what select(2) takes, and what programs expect */

/* Where a shell looks when nobody says where. */
static const char default_path[] = "/usr/local/bin:/usr/bin:/bin";

struct birth {
	const struct process_plan *plan;
	char *const *environment;
	int null; /* /dev/null */
	int report; /* errno of what failed goes here; closed by exec */
	pid_t parent;
};

char *process_find(const char *name, struct err *err)
{
	const char *path = getenv("PATH");
	char shown[80];

	path = path && *path ? path : default_path;
	if (strchr(name, '/'))
		return strdup(name);
	for (const char *part = path; *part && *name; part += strspn(part, ":")) {
		size_t length = strcspn(part, ":");
		char *found = str_printf("%.*s/%s", (int)length, part, name);

		if (found && access(found, X_OK) == 0)
			return found;
		free(found);
		part += length;
	}
	str_escape(shown, sizeof(shown), name, strlen(name));
	err_set(err, ERR_CONFIG,
		"there is no program '%s' in %.200s; install it, or write its path", shown, path);
	return NULL;
}

static char **borrow_environment(void)
{
	static const char *const ours[] = { "NOTIFY_SOCKET=", "WATCHDOG_USEC=", "WATCHDOG_PID=" };
	size_t count = 0, kept = 0;
	char **copy;

	while (environ[count])
		count++;
	copy = calloc(count + 2, sizeof(*copy)); /* and room for one more */
	for (size_t i = 0; copy && i < count; i++) {
		bool is_ours = false;

		for (size_t j = 0; j < ARRAY_SIZE(ours); j++)
			is_ours |= strncmp(environ[i], ours[j], strlen(ours[j])) == 0;
		if (!is_ours)
			copy[kept++] = environ[i];
	}
	return copy;
}

/* Our environment without what the service manager gave to us alone, and with what the plan adds. The
 * strings are borrowed, the caller frees the array; NULL: out of memory. */
static char **environment_for(const struct process_plan *plan)
{
	char **environment = borrow_environment();
	char **end = environment;
	size_t length;

	if (!environment || !plan->variable)
		return environment;
	length = strcspn(plan->variable, "=") + 1;
	for (; *end; end++) {
		if (strncmp(*end, plan->variable, length) == 0)
			return environment;
	}
	*end = (char *)plan->variable;
	return environment;
}

/* ---- in the child ---- */

/* We raised it for ourselves. */
static void reset_limits(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur <= FILES_SOFT)
		return;
	limit.rlim_cur = FILES_SOFT;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static int place_descriptors(const struct birth *b)
{
	for (int i = 0; i < (int)b->plan->fd_count; i++) {
		int fd = b->plan->fds[i] < 0 ? b->null : b->plan->fds[i];

		if (fd == i ? fcntl(i, F_SETFD, 0) < 0 : dup2(fd, i) < 0)
			return -1;
	}
	return 0;
}

__attribute__((noreturn)) static void be_born(const struct birth *b)
{
	const struct process_plan *plan = b->plan;

	if (setpgid(0, 0) == 0 && (plan->is_ours || newborn_dies_with(b->parent)) &&
	    place_descriptors(b) == 0) {
		/* What was inherited, or opened by a library without the flag. Linux 5.11. */
		close_range((unsigned)plan->fd_count, UINT_MAX, CLOSE_RANGE_CLOEXEC);
		if (!plan->is_ours)
			reset_limits();
		newborn_reset_signals();
		execve(plan->path, plan->argv, b->environment);
	}
	newborn_fail(b->report);
}

/* ---- in the parent ---- */

/* 0, or errno of what failed. The other end of the report closes with the exec, which nobody waits for:
 * on a busy machine the child may have to wait for a CPU. Hence no vfork(2) or posix_spawn(3). */
static int give_birth(struct birth *b, pid_t *ret_pid, int *ret_report)
{
	int line[2], sys;
	sigset_t all, before;
	pid_t pid;

	if (pipe2(line, O_CLOEXEC | O_NONBLOCK) < 0)
		return errno;
	b->report = line[1];
	b->parent = getpid();
	/* A handler of ours must not run in the child and write into our loop's pipe. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pid = fork();
	if (pid == 0)
		be_born(b);
	sys = pid < 0 ? errno : 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	close(line[1]);
	if (pid < 0) {
		close(line[0]);
		return sys;
	}
	/* Whoever is first, so that its group can be signalled from now on. */
	setpgid(pid, pid);
	*ret_pid = pid;
	*ret_report = line[0];
	return 0;
}

/* What is not there or may not be run is for a person; what is lacking now may come back. */
static int fail(int sys, const char *path, struct err *err)
{
	char shown[256];

	str_escape(shown, sizeof(shown), path, strlen(path));
	return err_set_errno(err,
			     sys == ENOENT || sys == EACCES || sys == ENOEXEC || sys == ENOTDIR
				     ? ERR_CONFIG
				     : ERR_LIMIT,
			     sys, "cannot run %s", shown);
}

int process_spawn(const struct process_plan *plan, pid_t *ret_pid, int *ret_report, struct err *err)
{
	CLEANUP(freep) char **environment = environment_for(plan);
	CLEANUP(closep) int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct birth birth = { .plan = plan, .environment = environment, .null = null };
	int sys;

	if (!environment)
		return err_nomem(err);
	sys = null < 0 ? errno : give_birth(&birth, ret_pid, ret_report);
	return sys == 0 ? 0 : fail(sys, plan->path, err);
}

int process_was_run(int *report, const char *path, struct err *err)
{
	int sys = 0;
	ssize_t n;

	do
		n = read(*report, &sys, sizeof(sys));
	while (n < 0 && errno == EINTR);
	closep(report);
	return n == sizeof(sys) ? fail(sys, path, err) : 0;
}
