/* SPDX-License-Identifier: MIT */
#include "lib/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/str.h"
#include "lib/util.h"

enum { COMPLAINT_MAX = 4096, CHUNK = 16384 };

/* One of its two outputs. */
struct stream {
	int fd; /* -1: at its end */
	struct strbuf text;
	size_t bytes_max;
	bool strict; /* more than that is an error, not only forgotten */
};

struct running {
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

/* Its own process group, so that all of it can be killed; signals as after a login. */
static int set_attributes(posix_spawnattr_t *attributes)
{
	sigset_t all, none;

	sigfillset(&all);
	sigemptyset(&none);
	posix_spawnattr_setpgroup(attributes, 0);
	posix_spawnattr_setsigdefault(attributes, &all);
	posix_spawnattr_setsigmask(attributes, &none);
	return posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF |
							    POSIX_SPAWN_SETSIGMASK);
}

static int set_descriptors(posix_spawn_file_actions_t *actions, int out, int complaint)
{
	int rc = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);

	if (rc == 0)
		rc = posix_spawn_file_actions_adddup2(actions, out, STDOUT_FILENO);
	return rc ? rc : posix_spawn_file_actions_adddup2(actions, complaint, STDERR_FILENO);
}

/* 0 or an errno. */
static int spawn(const char *const *argv, int out, int complaint, pid_t *ret_pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int rc;

	if (posix_spawn_file_actions_init(&actions) != 0)
		return ENOMEM;
	if (posix_spawnattr_init(&attributes) != 0) {
		posix_spawn_file_actions_destroy(&actions);
		return ENOMEM;
	}
	rc = set_attributes(&attributes);
	if (rc == 0)
		rc = set_descriptors(&actions, out, complaint);
	if (rc == 0)
		rc = posix_spawnp(ret_pid, argv[0], &actions, &attributes, (char *const *)argv,
				  environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return rc;
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

/* Takes what is there. */
static int drain(struct stream *s, struct err *err)
{
	char chunk[CHUNK];

	while (s->fd >= 0) {
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

/* Until it has ended. What it left running may keep the pipes open, and is not waited for. */
static int watch(struct running *r, struct err *err)
{
	for (;;) {
		uint64_t now_ms = monotonic_ms();
		struct pollfd fds[] = {
			{ .fd = r->pidfd, .events = POLLIN },
			{ .fd = r->out.fd, .events = POLLIN },
			{ .fd = r->complaint.fd, .events = POLLIN },
		};

		if (now_ms >= r->deadline_ms)
			return err_set(err, ERR_TIMEOUT, "took too long");
		if (poll(fds, ARRAY_SIZE(fds), (int)(r->deadline_ms - now_ms)) < 0 &&
		    errno != EINTR)
			return err_set_errno(err, ERR_IO, errno, "cannot be watched");
		if (drain(&r->out, err) < 0 || drain(&r->complaint, err) < 0)
			return -1;
		if (fds[0].revents)
			return 0;
	}
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

int capture_run(const char *const *argv, const struct capture_limits *limits, struct capture *ret,
		struct err *err)
{
	struct running r = {
		.pidfd = -1,
		.out = { .fd = -1, .bytes_max = limits->bytes_max, .strict = true },
		.complaint = { .fd = -1, .bytes_max = COMPLAINT_MAX },
		.deadline_ms = monotonic_ms() + limits->time_ms,
	};
	int rc = start(&r, argv, err);

	*ret = (struct capture){ 0 };
	if (rc == 0)
		rc = watch(&r, err);
	if (r.pid > 0)
		ret->wait_status = reap(&r, rc == 0);
	if (rc == 0) {
		ret->out_length = r.out.text.length;
		ret->out = strbuf_take(&r.out.text);
		ret->complaint = strbuf_take(&r.complaint.text);
		if (!ret->out || !ret->complaint)
			rc = err_nomem(err);
	}
	closep(&r.pidfd);
	closep(&r.out.fd);
	closep(&r.complaint.fd);
	strbuf_fini(&r.out.text);
	strbuf_fini(&r.complaint.text);
	if (rc < 0)
		capture_fini(ret);
	return rc;
}

void capture_fini(struct capture *capture)
{
	free(capture->out);
	free(capture->complaint);
	*capture = (struct capture){ 0 };
}
