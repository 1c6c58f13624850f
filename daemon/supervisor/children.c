/* SPDX-License-Identifier: MIT */
#include "daemon/supervisor/children.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

static struct child *find(const struct children *cs, pid_t pid)
{
	struct child *c;

	list_for_each (c, &cs->all, link) {
		if (c->pid == pid)
			return c;
	}
	return NULL;
}

/* pid has ended and is a zombie. As process 1 of a container we inherit others': their groups are
 * none of our business. */
static void collect(struct children *cs, pid_t pid)
{
	struct child *c = find(cs, pid);
	int status = 0;

	if (c)
		child_signal(c, SIGKILL);
	waitpid(pid, &status, 0);
	if (!c)
		return;
	child_forget(c);
	c->on_exit(c->data, status);
}

/* Signals melt into one: whoever has ended by now is collected. Threads wait for their own children
 * (capture_run()), hence __WNOTHREAD. */
static void on_sigchld(void *data, int signo)
{
	siginfo_t info = { 0 };

	while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | __WNOTHREAD) == 0 &&
	       info.si_pid != 0) {
		collect(data, info.si_pid);
		info.si_pid = 0;
	}
}

int children_init(struct children *cs, struct loop *loop)
{
	list_init(&cs->all);
	return loop_signal_open(&cs->sigchld, loop, SIGCHLD, on_sigchld, cs);
}

void children_fini(struct children *cs)
{
	loop_signal_close(&cs->sigchld);
}

void child_watch(struct children *cs, struct child *c, pid_t pid,
		 void (*on_exit)(void *data, int wait_status), void *data)
{
	*c = (struct child){ .pid = pid, .on_exit = on_exit, .data = data };
	list_append(&cs->all, &c->link);
}

void child_signal(const struct child *c, int signo)
{
	if (c->pid)
		kill(-c->pid, signo);
}

void child_forget(struct child *c)
{
	if (!c->pid)
		return;
	list_remove(&c->link);
	c->pid = 0;
}

char *child_end_text(char *out, size_t size, int wait_status)
{
	if (WIFSIGNALED(wait_status))
		snprintf(out, size, "was killed by signal %d (%s)", WTERMSIG(wait_status),
			 strsignal(WTERMSIG(wait_status)));
	else
		snprintf(out, size, "exited with status %d", WEXITSTATUS(wait_status));
	return out;
}
