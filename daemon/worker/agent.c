/* SPDX-License-Identifier: MIT */
#include "daemon/worker/agent.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/buffer.h"
#include "lib/util.h"

#define BACKLOG_RETRY_MS 50
#define ANSWER_PIECE ((size_t)16 * 1024) /* read at once */
#define ANSWER_MAX ((size_t)AGENT_MESSAGE_MAX + 8) /* with its length, and a sign of more */

enum agent_state {
	AGENT_IDLE, /* no question is open */
	AGENT_CONNECTING,
	AGENT_ASKING, /* the question is sent, or its answer awaited */
	AGENT_ANSWERED,
	AGENT_FAILED,
};

struct agent {
	struct loop *loop;
	void (*on_progress)(void *data);
	void *data;
	char *path;
	enum agent_state state;
	struct err failure;
	unsigned limit_ms; /* of the question */

	int fd; /* -1: not connected */
	struct loop_io io;
	struct loop_timer limit;
	struct loop_timer retry; /* while its backlog is full: a Unix socket says so only once */
	struct loop_defer progress;
	struct buffer question, answer;
	struct ssh_span body; /* of the answer */
	struct loop_grave grave;
};

static void on_progress(void *data)
{
	struct agent *a = data;

	a->on_progress(a->data);
}

static void hang_up(struct agent *a)
{
	loop_io_close(&a->io);
	loop_timer_stop(&a->retry);
	closep(&a->fd);
	buffer_drop(&a->question, a->question.size);
}

static void finish(struct agent *a, enum agent_state state)
{
	loop_timer_stop(&a->limit);
	a->state = state;
	loop_defer_schedule(&a->progress);
}

/* why goes on after "the agent". A late answer to this question must not be taken for one to the
 * next, so the connection goes. */
static void fail(struct agent *a, const struct err *why)
{
	hang_up(a);
	err_set(&a->failure, ERR_AGENT, "the agent at %s %s", a->path, why->msg);
	finish(a, AGENT_FAILED);
}

static void fail_errno(struct agent *a, const char *what)
{
	struct err err;

	err_set_errno(&err, ERR_AGENT, errno, "%s", what);
	fail(a, &err);
}

static void fail_text(struct agent *a, const char *text)
{
	struct err err;

	err_set(&err, ERR_AGENT, "%s", text);
	fail(a, &err);
}

/* ---- talking ---- */

static void send_question(struct agent *a)
{
	while (a->question.size > 0) {
		ssize_t n = send(a->fd, buffer_bytes(&a->question), a->question.size, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			fail_errno(a, "does not listen");
			return;
		}
		buffer_drop(&a->question, (size_t)n);
	}
	loop_io_want(&a->io, LOOP_READ | (a->question.size > 0 ? LOOP_WRITE : 0));
}

static void look_at_answer(struct agent *a)
{
	struct ssh_span bytes = { (const unsigned char *)buffer_bytes(&a->answer), a->answer.size };
	struct err err;
	int rc = agent_next_message(bytes, &a->body, &err);

	if (rc < 0) {
		fail(a, &err);
		return;
	}
	if (rc == 0)
		return;
	if (a->body.size + 4 < bytes.size)
		fail_text(a, "says more than it was asked");
	else
		finish(a, AGENT_ANSWERED);
}

static void receive(struct agent *a)
{
	size_t limit = MIN(a->answer.size + ANSWER_PIECE, ANSWER_MAX), room;
	char *to = buffer_room(&a->answer, limit, &room);
	ssize_t n;

	if (!to) {
		fail_text(a, room > 0 ? "cannot be asked: out of memory"
				      : "says more than it was asked");
		return;
	}
	n = recv(a->fd, to, room, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0) {
		buffer_grow(&a->answer, (size_t)n);
		look_at_answer(a);
		return;
	}
	if (n < 0)
		fail_errno(a, "does not answer");
	else
		fail_text(a, "closed the connection instead of answering");
}

static void on_ready(void *data, unsigned ready)
{
	struct agent *a = data;

	if (a->state != AGENT_ASKING) {
		hang_up(a); /* it goes between two questions; the next one connects again */
		return;
	}
	if (ready & LOOP_WRITE)
		send_question(a);
	if ((ready & LOOP_READ) && a->fd >= 0)
		receive(a);
}

/* ---- connecting ---- */

static void connected(struct agent *a)
{
	a->state = AGENT_ASKING;
	if (loop_io_open(&a->io, a->loop, a->fd, LOOP_READ, on_ready, a) < 0)
		fail_text(a, "cannot be asked: out of memory");
	else
		send_question(a);
}

/* A Unix socket is connected at once or not at all; EAGAIN means that its backlog is full, and nobody
 * tells when it is not any more. */
static void try_connect(struct agent *a)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (strlen(a->path) >= sizeof(address.sun_path)) {
		fail_text(a, "has a path too long for a socket");
		return;
	}
	strcpy(address.sun_path, a->path);
	if (a->fd < 0)
		a->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (a->fd >= 0 && connect(a->fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		connected(a);
	else if (a->fd >= 0 && (errno == EAGAIN || errno == EINTR))
		loop_timer_set(&a->retry, BACKLOG_RETRY_MS);
	else if (errno == ENOENT || errno == ECONNREFUSED)
		fail_text(a, "is not there; start it, and add a key with ssh-add");
	else
		fail_errno(a, "cannot be reached");
}

static void on_retry(void *data)
{
	try_connect(data);
}

static void on_limit(void *data)
{
	struct agent *a = data;
	struct err err;

	err_set(&err, ERR_AGENT, "does not answer within %u.%u s", a->limit_ms / 1000,
		a->limit_ms % 1000 / 100);
	fail(a, &err);
}

/* ---- questions ---- */

static void ask(struct agent *a, struct strbuf *question, unsigned limit_ms)
{
	buffer_drop(&a->answer, a->answer.size);
	buffer_drop(&a->question, a->question.size);
	a->body = (struct ssh_span){ NULL, 0 };
	a->limit_ms = limit_ms;
	a->state = AGENT_CONNECTING;
	if (question->failed || buffer_add(&a->question, question->data, question->length) < 0) {
		fail_text(a, "cannot be asked: out of memory");
	} else {
		loop_timer_set(&a->limit, limit_ms);
		if (a->fd < 0) {
			try_connect(a);
		} else {
			a->state = AGENT_ASKING;
			send_question(a);
		}
	}
	strbuf_fini(question);
}

void agent_ask_keys(struct agent *a, unsigned limit_ms)
{
	struct strbuf question = { 0 };

	agent_write_request_identities(&question);
	ask(a, &question, limit_ms);
}

void agent_ask_signature(struct agent *a, struct ssh_span body, unsigned limit_ms)
{
	struct strbuf question = { 0 };

	agent_write_message(&question, body);
	ask(a, &question, limit_ms);
}

enum step agent_step(struct agent *a, struct err *err)
{
	if (a->state == AGENT_ANSWERED)
		return STEP_NEXT;
	if (a->state != AGENT_FAILED)
		return STEP_WAIT;
	*err = a->failure;
	return STEP_FAIL;
}

struct ssh_span agent_answer(const struct agent *a)
{
	return a->body;
}

bool agent_is_asked(const struct agent *a)
{
	return a->state == AGENT_CONNECTING || a->state == AGENT_ASKING;
}

const char *agent_path(const struct agent *a)
{
	return a->path;
}

/* ---- life ---- */

static void destroy(void *data)
{
	struct agent *a = data;

	buffer_fini(&a->question);
	buffer_fini(&a->answer);
	free(a->path);
	free(a);
}

struct agent *agent_new(struct loop *loop, const char *path, void (*progress)(void *data),
			void *data, struct err *err)
{
	struct agent *a = calloc(1, sizeof(*a));

	if (!a) {
		err_nomem(err);
		return NULL;
	}
	*a = (struct agent){
		.loop = loop, .on_progress = progress, .data = data, .fd = -1, .path = strdup(path)
	};
	loop_defer_open(&a->progress, loop, on_progress, a);
	if (!a->path || loop_timer_open(&a->limit, loop, on_limit, a) < 0 ||
	    loop_timer_open(&a->retry, loop, on_retry, a) < 0) {
		agent_free(a);
		err_nomem(err);
		return NULL;
	}
	return a;
}

void agent_free(struct agent *a)
{
	if (!a)
		return;
	hang_up(a);
	loop_timer_close(&a->limit);
	loop_timer_close(&a->retry);
	loop_defer_close(&a->progress);
	loop_bury(a->loop, &a->grave, destroy, a);
}
