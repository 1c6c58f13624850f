/* SPDX-License-Identifier: MIT */
#include "lib/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/newborn.h"
#include "lib/util.h"

/* What the child needs; between fork and exec only calls that are safe in a signal handler. */
struct birth {
	const char *const *argv;
	int out, complaint;
	int report; /* closed by the exec; before that the errno of what failed */
	pid_t parent;
};

static int place_descriptors(const struct birth *b)
{
	int nothing = open("/dev/null", O_RDONLY);

	if (nothing < 0 || dup2(nothing, STDIN_FILENO) < 0)
		return -1;
	if (nothing != STDIN_FILENO)
		close(nothing);
	return dup2(b->out, STDOUT_FILENO) < 0 ? -1 : dup2(b->complaint, STDERR_FILENO);
}

__attribute__((noreturn)) static void be_born(const struct birth *b)
{
	if (setpgid(0, 0) == 0 && newborn_dies_with(b->parent) && place_descriptors(b) >= 0) {
		newborn_reset_signals();
		execvp(b->argv[0], (char *const *)b->argv);
	}
	newborn_fail(b->report);
}

/* 0: it runs. Else the errno that the child told, which is collected. */
static int await_exec(int report, pid_t pid)
{
	int sys = 0;
	ssize_t n;

	do
		n = read(report, &sys, sizeof(sys));
	while (n < 0 && errno == EINTR);
	if (n != sizeof(sys))
		return 0;
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return sys;
}

/* posix_spawn(3) knows no PR_SET_PDEATHSIG. */
int spawn(const char *const *argv, int out, int complaint, pid_t *ret_pid)
{
	struct birth b = { .argv = argv, .out = out, .complaint = complaint, .parent = getpid() };
	sigset_t all, before;
	int line[2], sys;
	pid_t pid;

	if (pipe2(line, O_CLOEXEC) < 0)
		return errno;
	b.report = line[1];
	sigfillset(&all); /* a handler of ours shall not run in the child */
	pthread_sigmask(SIG_BLOCK, &all, &before);
	pid = fork();
	sys = errno;
	if (pid == 0)
		be_born(&b);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	close(line[1]);
	if (pid > 0)
		sys = await_exec(line[0], pid);
	close(line[0]);
	if (pid > 0 && sys == 0)
		*ret_pid = pid;
	return sys;
}
