/* SPDX-License-Identifier: MIT */
#include "lib/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/spawn.h"
#include "lib/str.h"
#include "lib/util.h"

enum {
	COMPLAINT_MAX = 4096,
	CHUNK = 16384,
	PIPE_MAX = 1024 * 1024, /* pipe_max_size of fs/pipe.c */
	FDS = 3,
};

/* One of its two outputs. */
struct stream {
	int fd; /* -1: at its end */
	struct strbuf text;
	size_t bytes_max;
	bool strict; /* more than that is an error, not only forgotten */
};

struct running {
	struct capture_job *job; /* NULL: nothing runs here */
	pid_t pid;
	int pidfd;
	struct stream out, complaint;
	uint64_t deadline_ms;
};

static int open_pipe(int *ret_read, int *ret_write)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	*ret_read = ends[0];
	*ret_write = ends[1];
	return fcntl(ends[0], F_SETFL, O_NONBLOCK);
}

static int start(struct running *r, const char *const *argv, struct err *err)
{
	CLEANUP(closep) int out = -1;
	CLEANUP(closep) int complaint = -1;
	int rc;

	if (open_pipe(&r->out.fd, &out) < 0 || open_pipe(&r->complaint.fd, &complaint) < 0)
		return err_set_errno(err, ERR_IO, errno, "cannot run %s", argv[0]);
	rc = spawn(argv, out, complaint, &r->pid);
	if (rc != 0)
		return err_set_errno(err, ERR_IO, rc, "cannot run %s", argv[0]);
	r->pidfd = (int)syscall(SYS_pidfd_open, r->pid, 0);
	if (r->pidfd < 0)
		return err_set_errno(err, ERR_IO, errno, "cannot watch %s", argv[0]);
	return 0;
}

static int keep(struct stream *s, const char *bytes, size_t size, struct err *err)
{
	size_t room = s->bytes_max - s->text.length;

	if (size > room && s->strict)
		return err_set(err, ERR_LIMIT, "said more than %zu bytes", s->bytes_max);
	strbuf_add_bytes(&s->text, bytes, MIN(size, room));
	return s->text.failed ? err_nomem(err) : 0;
}

/* Takes what is there, as much as a pipe can hold: who writes faster than we read must not keep us from
 * looking at the clock. */
static int drain(struct stream *s, struct err *err)
{
	char chunk[CHUNK];

	for (size_t i = 0; i < PIPE_MAX / CHUNK && s->fd >= 0; i++) {
		ssize_t n = read(s->fd, chunk, sizeof(chunk));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n <= 0)
			closep(&s->fd);
		else if (keep(s, chunk, (size_t)n, err) < 0)
			return -1;
	}
	return 0;
}

/* It is a zombie, or will be: until it is waited for its group's number is its own. */
static int reap(struct running *r, bool ended)
{
	int status = 0;

	if (!ended)
		kill(-r->pid, SIGKILL);
	while (waitpid(r->pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

/* What it left running may keep the pipes open, and is not waited for. */
static void end(struct running *r, bool ended)
{
	struct capture_job *job = r->job;

	if (r->pid > 0)
		job->said.wait_status = reap(r, ended);
	job->rc = ended ? 0 : -1;
	if (ended) {
		job->said.out_length = r->out.text.length;
		job->said.out = strbuf_take(&r->out.text);
		job->said.complaint = strbuf_take(&r->complaint.text);
		if (!job->said.out || !job->said.complaint)
			job->rc = err_nomem(&job->err);
	}
	closep(&r->pidfd);
	closep(&r->out.fd);
	closep(&r->complaint.fd);
	strbuf_fini(&r->out.text);
	strbuf_fini(&r->complaint.text);
	if (job->rc < 0)
		capture_fini(&job->said);
	r->job = NULL;
}

/* ---- several at a time ---- */

struct capturing {
	const struct capture_limits *limits;
	struct running slots[CAPTURE_AT_ONCE_MAX];
	size_t slot_count;
	int leash_fd; /* a duplicate: who holds the leash can wait until there is none */
	bool is_cut;
	uint64_t deadline_ms; /* for all together */
};

/* Whether nothing may run any more; then err says why. */
static bool is_over(const struct capturing *c, struct err *err)
{
	if (c->is_cut)
		return err_set(err, ERR_IO, "was interrupted") < 0;
	if (monotonic_ms() < c->deadline_ms)
		return false;
	err_set(err, ERR_TIMEOUT, "no time is left");
	err->sys = ETIME;
	return true;
}

/* Whoever has let go of the leash wants nothing to be started, however quick it would be. */
static void look_at_leash(struct capturing *c)
{
	struct pollfd leash = { .fd = c->leash_fd, .events = POLLIN };

	c->is_cut |= poll(&leash, 1, 0) > 0;
}

static void begin(struct capturing *c, struct running *r, struct capture_job *job)
{
	*r = (struct running){
		.job = job,
		.pidfd = -1,
		.out = { .fd = -1, .bytes_max = c->limits->bytes_max, .strict = true },
		.complaint = { .fd = -1, .bytes_max = COMPLAINT_MAX },
		.deadline_ms = monotonic_ms() + c->limits->time_ms,
	};
	job->said = (struct capture){ 0 };
	job->err = (struct err){ 0 };
	look_at_leash(c);
	if (is_over(c, &job->err) || start(r, job->argv, &job->err) < 0)
		end(r, false);
}

/* Takes what there is; it has ended, or must, or goes on. */
static void look_after(struct capturing *c, struct running *r, bool has_ended)
{
	struct err *err = &r->job->err;

	if (drain(&r->out, err) < 0 || drain(&r->complaint, err) < 0) {
		end(r, false);
	} else if (has_ended) {
		end(r, true);
	} else if (is_over(c, err)) {
		end(r, false);
	} else if (monotonic_ms() >= r->deadline_ms) {
		err_set(err, ERR_TIMEOUT, "took too long");
		end(r, false);
	}
}

static int time_left_ms(const struct capturing *c)
{
	uint64_t now_ms = monotonic_ms(), until_ms = c->deadline_ms;

	for (size_t i = 0; i < c->slot_count; i++) {
		if (c->slots[i].job)
			until_ms = MIN(until_ms, c->slots[i].deadline_ms);
	}
	return until_ms > now_ms ? (int)MIN(until_ms - now_ms, (uint64_t)INT_MAX) : 0;
}

/* Until something happens to one of them. */
static void watch(struct capturing *c)
{
	struct pollfd fds[1 + FDS * CAPTURE_AT_ONCE_MAX];
	bool has_ended[CAPTURE_AT_ONCE_MAX];

	fds[0] = (struct pollfd){ .fd = c->leash_fd, .events = POLLIN };
	for (size_t i = 0; i < c->slot_count; i++) {
		const struct running *r = &c->slots[i];
		struct pollfd *own = &fds[1 + FDS * i];

		own[0] = (struct pollfd){ .fd = r->job ? r->pidfd : -1, .events = POLLIN };
		own[1] = (struct pollfd){ .fd = r->job ? r->out.fd : -1, .events = POLLIN };
		own[2] = (struct pollfd){ .fd = r->job ? r->complaint.fd : -1, .events = POLLIN };
	}
	if (poll(fds, 1 + FDS * c->slot_count, time_left_ms(c)) < 0)
		memset(fds, 0, sizeof(fds)); /* a signal; what is there is there the next time */
	c->is_cut |= fds[0].revents != 0;
	for (size_t i = 0; i < c->slot_count; i++)
		has_ended[i] = fds[1 + FDS * i].revents != 0;
	for (size_t i = 0; i < c->slot_count; i++) {
		if (c->slots[i].job)
			look_after(c, &c->slots[i], has_ended[i]);
	}
}

void capture_run(struct capture_job *jobs, size_t count, const struct capture_limits *limits)
{
	struct capturing c = {
		.limits = limits,
		.slot_count = MIN(MAX(limits->at_once, 1U), (unsigned)CAPTURE_AT_ONCE_MAX),
		.leash_fd = limits->has_leash ? fcntl(limits->leash_fd, F_DUPFD_CLOEXEC, 0) : -1,
		.deadline_ms = monotonic_ms() + limits->all_ms,
	};
	size_t next = 0, busy;

	c.is_cut = limits->has_leash && c.leash_fd < 0; /* it cannot be held */
	do {
		busy = 0;
		for (size_t i = 0; i < c.slot_count; i++) {
			while (!c.slots[i].job && next < count)
				begin(&c, &c.slots[i], &jobs[next++]);
			busy += c.slots[i].job != NULL;
		}
		if (busy > 0)
			watch(&c);
	} while (busy > 0);
	closep(&c.leash_fd);
}

void capture_fini(struct capture *capture)
{
	free(capture->out);
	free(capture->complaint);
	*capture = (struct capture){ 0 };
}
