/* SPDX-License-Identifier: MIT */
#include "lib/end_signals.h"

#include <errno.h>
#include <stddef.h>
#include <sys/signalfd.h>

#include "lib/util.h"

/* Blocked, an ignored signal would be kept for the descriptor all the same. */
static void add_unless_ignored(sigset_t *set, int signo)
{
	struct sigaction action;

	if (sigaction(signo, NULL, &action) == 0 && action.sa_handler != SIG_IGN)
		sigaddset(set, signo);
}

int end_signals_hold(sigset_t *ret_before)
{
	static const int ends[] = { SIGINT, SIGTERM, SIGHUP };
	sigset_t set;
	int fd, sys;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
		add_unless_ignored(&set, ends[i]);
	sigprocmask(SIG_BLOCK, &set, ret_before);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	sys = errno;
	if (fd < 0)
		end_signals_release(ret_before);
	errno = sys;
	return fd;
}

void end_signals_release(const sigset_t *before)
{
	sigprocmask(SIG_SETMASK, before, NULL);
}
