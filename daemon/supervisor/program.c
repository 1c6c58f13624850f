/* SPDX-License-Identifier: MIT */
#include "daemon/supervisor/program.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/supervisor/process.h"
#include "lib/util.h"

static void close_all(struct program *p)
{
	lines_close(&p->lines);
	loop_timer_close(&p->grace);
	free(TAKE(p->path));
	closep(&p->report);
	p->loop = NULL;
}

static void on_line(void *data, const char *text)
{
	struct program *p = data;

	p->ops->on_line(p->data, text);
}

/* What it wrote may still be in the pipe. */
static void on_exit_of(void *data, int wait_status)
{
	struct program *p = data;
	char last[LINES_TEXT_MAX];
	struct err not_run;
	bool was_run = process_was_run(&p->report, p->path, &not_run) == 0;

	lines_finish(&p->lines);
	memcpy(last, p->lines.last, sizeof(last));
	close_all(p);
	p->ops->on_end(p->data, wait_status, last, was_run ? NULL : &not_run);
}

static void on_grace_over(void *data)
{
	struct program *p = data;

	child_signal(&p->child, SIGKILL);
}

bool program_is_running(const struct program *p)
{
	return p->loop != NULL;
}

void program_stop(struct program *p)
{
	if (!p->loop || loop_timer_is_set(&p->grace))
		return;
	child_signal(&p->child, SIGTERM);
	child_signal(&p->child, SIGCONT); /* one that is stopped would not hear of it */
	loop_timer_set(&p->grace, PROGRAM_GRACE_MS);
}

void program_kill(struct program *p)
{
	if (!p->loop)
		return;
	child_signal(&p->child, SIGKILL);
	child_forget(&p->child);
	close_all(p);
}

/* ---- the start ---- */

struct ends {
	int ours, its; /* of the socket pair */
	int errors, its_errors; /* of the pipe */
};

static void close_ends(struct ends *e)
{
	closep(&e->ours);
	closep(&e->its);
	closep(&e->errors);
	closep(&e->its_errors);
}

/* Only our end does not block: most programs expect theirs to. */
static int open_ends(struct ends *e, struct err *err)
{
	int pair[2], line[2];

	*e = (struct ends){ -1, -1, -1, -1 };
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_set_errno(err, ERR_LIMIT, errno, "cannot open a line to a program");
	e->ours = pair[0];
	e->its = pair[1];
	if (fcntl(e->ours, F_SETFL, O_NONBLOCK) < 0 || pipe2(line, O_CLOEXEC) < 0) {
		err_set_errno(err, ERR_LIMIT, errno, "cannot open a line to a program");
		close_ends(e);
		return -1;
	}
	e->errors = line[0];
	e->its_errors = line[1];
	return 0;
}

/* NULL-terminated, borrowed strings; the caller frees the array. */
static char **argv_of(const struct strv *words)
{
	char **argv = calloc(words->count + 1, sizeof(*argv));

	for (size_t i = 0; argv && i < words->count; i++)
		argv[i] = words->items[i];
	return argv;
}

static int spawn(struct program *p, const struct strv *words, const struct ends *e, pid_t *ret_pid,
		 struct err *err)
{
	CLEANUP(freep) char **argv = argv_of(words);
	const int fds[] = { e->its, e->its, e->its_errors };
	struct process_plan plan = { .argv = argv, .fds = fds, .fd_count = ARRAY_SIZE(fds) };

	p->path = process_find(words->items[0], err);
	if (!p->path)
		return -1;
	if (!argv)
		return err_nomem(err);
	plan.path = p->path;
	return process_spawn(&plan, ret_pid, &p->report, err);
}

static int run(struct program *p, struct children *children, const struct strv *words,
	       struct ends *e, struct err *err)
{
	pid_t pid;

	if (loop_timer_open(&p->grace, p->loop, on_grace_over, p) < 0 ||
	    lines_open(&p->lines, p->loop, e->errors, on_line, p) < 0)
		return err_nomem(err);
	e->errors = -1;
	if (spawn(p, words, e, &pid, err) < 0)
		return -1;
	child_watch(children, &p->child, pid, on_exit_of, p);
	return 0;
}

int program_start(struct program *p, struct loop *loop, struct children *children,
		  const struct strv *words, const struct program_ops *ops, void *data, int *ret_fd,
		  int *ret_its, struct err *err)
{
	struct ends e;

	*p = (struct program){ .loop = loop, .ops = ops, .data = data, .report = -1 };
	if (open_ends(&e, err) < 0) {
		p->loop = NULL;
		return -1;
	}
	if (run(p, children, words, &e, err) < 0) {
		close_all(p);
		close_ends(&e);
		return -1;
	}
	*ret_fd = TAKE_FD(e.ours);
	*ret_its = TAKE_FD(e.its);
	close_ends(&e);
	return 0;
}
