/* SPDX-License-Identifier: MIT */
#include "lib/newborn.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <unistd.h>

void newborn_reset_signals(void)
{
	struct sigaction action = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (int signo = 1; signo < NSIG; signo++)
		sigaction(signo, &action, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* The parent may have died before we asked to die with it. */
bool newborn_dies_with(pid_t parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return false;
	errno = ESRCH;
	return getppid() == parent;
}

void newborn_fail(int report)
{
	int sys = errno;

	if (write(report, &sys, sizeof(sys)) < 0)
		_exit(126);
	_exit(127);
}
