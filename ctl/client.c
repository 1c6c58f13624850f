/* SPDX-License-Identifier: MIT */
#include "ctl/client.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "ctl/human.h"
#include "lib/paths.h"
#include "lib/secret.h"
#include "lib/str.h"
#include "lib/util.h"

#define CANDIDATES_MAX 2
#define CONNECT_MS 5000
#define READ_SIZE 16384

/* Waits for events; 1: there, 0: the deadline has passed, -1: interrupted. */
static int wait_for(const struct client *c, short events, uint64_t deadline_ms, struct failure *f)
{
	struct pollfd p[] = {
		{ .fd = c->fd, .events = events },
		{ .fd = c->interrupt_fd, .events = POLLIN },
	};

	for (;;) {
		uint64_t now = monotonic_ms();
		int wait_ms = now < deadline_ms ? (int)MIN(deadline_ms - now, 60000) : 0;
		int ready = poll(p, ARRAY_SIZE(p), wait_ms);

		if (ready > 0 && p[1].revents)
			return failure_set(f, EXIT_FAILED, ERR_TIMEOUT, "interrupted");
		if (ready > 0)
			return 1;
		if (monotonic_ms() >= deadline_ms)
			return 0;
	}
}

/* The descriptor, or -1 with errno. */
static int connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	uint64_t deadline_ms = monotonic_ms() + CONNECT_MS;
	CLEANUP(closep) int fd = -1;

	if (strlen(path) >= sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	/* On a Unix socket EAGAIN says that the backlog is full, and nothing says when it no longer
	 * is. */
	while (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		if (errno != EAGAIN || monotonic_ms() >= deadline_ms)
			return -1;
		poll(NULL, 0, 20);
	}
	return TAKE_FD(fd);
}

/* A try that did not work: what the message says about it. */
struct tried {
	const char *path;
	int error;
};

static const char *why(int error)
{
	switch (error) {
	case ENOENT:
		return "no such socket";
	case ECONNREFUSED:
		return "nobody listens there";
	case EAGAIN:
		return "it does not accept connections";
	case EACCES:
		return "permission denied";
	default:
		return strerror(error);
	}
}

static const char *what_to_do(bool denied, bool named)
{
	if (denied)
		return "use sudo, or add yourself to group 'tunctl' (sudo usermod -aG tunctl NAME) "
		       "and log in again";
	if (named)
		return "is tunneld running with that socket?";
	return "start it with 'systemctl start tunneld', or 'tunneld' for an instance of your own; "
	       "-s names another socket";
}

static int not_reachable(struct failure *f, const struct tried *tried, size_t count, bool named)
{
	struct strbuf list = { 0 };
	bool denied = false;

	for (size_t i = 0; i < count; i++) {
		strbuf_addf(&list, "%s%s (%s)", i ? ", " : "", tried[i].path, why(tried[i].error));
		denied = denied || tried[i].error == EACCES;
	}
	failure_set(f, EXIT_NOT_REACHABLE, ERR_NOT_REACHABLE, "tunneld is not reachable: tried %s",
		    list.data ? list.data : "");
	strbuf_fini(&list);
	failure_hint(f, "%s", what_to_do(denied, named));
	return -1;
}

/* Connects to the first of the paths that answers. */
static int open_first(struct client *c, const char *const *paths, size_t count, bool named,
		      struct failure *f)
{
	struct tried tried[CANDIDATES_MAX];
	size_t tries = 0;

	for (size_t i = 0; i < count; i++) {
		if (i > 0 && strcmp(paths[i], paths[0]) == 0)
			continue;
		c->fd = connect_to(paths[i]);
		if (c->fd >= 0) {
			c->path = strdup(paths[i]);
			return c->path ? 0 : failure_nomem(f);
		}
		tried[tries++] = (struct tried){ paths[i], errno };
	}
	return not_reachable(f, tried, tries, named);
}

int client_open(struct client *c, const char *named, struct failure *f)
{
	struct paths user = { 0 }, system = { 0 };
	int rc = -1;

	*c = (struct client)CLIENT_CLOSED;
	if (named)
		return open_first(c, &named, 1, true, f);
	if (paths_init(&user, false, NULL) < 0 || paths_init(&system, true, NULL) < 0)
		failure_nomem(f);
	else
		rc = open_first(c, (const char *const[]){ user.socket, system.socket }, 2, false,
				f);
	paths_fini(&user);
	paths_fini(&system);
	return rc;
}

void client_close(struct client *c)
{
	closep(&c->fd);
	free(TAKE(c->path));
	varlink_reader_fini(&c->reader);
}

static int connection_lost(struct client *c, struct failure *f)
{
	failure_set(f, EXIT_NOT_REACHABLE, ERR_LOST, "the connection to tunneld at %s was lost",
		    c->path);
	failure_hint(f, "tunneld was stopped, or ended; its log says why");
	return -1;
}

int client_no_answer(struct client *c, unsigned waited_ms, struct failure *f)
{
	char waited[HUMAN_MAX];

	return failure_set(f, EXIT_TIMED_OUT, ERR_TIMEOUT, "tunneld at %s did not answer within %s",
			   c->path, human_setting_ms(waited, waited_ms));
}

/* Takes the reference to call. */
static int send_call(struct client *c, json_t *call, struct failure *f)
{
	uint64_t deadline_ms = monotonic_ms() + CLIENT_ANSWER_MS;
	size_t size, sent = 0;
	CLEANUP(secret_freep) char *bytes = varlink_encode(call, &size);

	if (!bytes)
		return failure_set(f, EXIT_FAILED, ERR_LIMIT, "the request is too long");
	while (sent < size) {
		ssize_t n = send(c->fd, bytes + sent, size - sent, MSG_NOSIGNAL);

		if (n >= 0) {
			sent += (size_t)n;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return connection_lost(c, f);
		switch (wait_for(c, POLLOUT, deadline_ms, f)) {
		case 0:
			return client_no_answer(c, CLIENT_ANSWER_MS, f);
		case -1:
			return -1;
		}
	}
	return 0;
}

int client_send(struct client *c, const char *method, json_t *parameters, bool more,
		struct failure *f)
{
	return send_call(c, varlink_call(method, parameters, more), f);
}

int client_send_upgrade(struct client *c, const char *method, json_t *parameters, struct failure *f)
{
	json_t *call = varlink_call(method, parameters, false);

	if (!call || json_object_set_new(call, "upgrade", json_true()) < 0) {
		json_decref(call);
		return failure_nomem(f);
	}
	return send_call(c, call, f);
}

const char *client_rest(const struct client *c, size_t *ret_size)
{
	return varlink_reader_rest(&c->reader, ret_size);
}

bool client_is_ahead(const struct client *c)
{
	size_t size;
	const char *rest = varlink_reader_rest(&c->reader, &size);

	return size > 0 && memchr(rest, '\0', size);
}

/* 1: bytes came, 0: the deadline has passed, -1. */
static int read_more(struct client *c, uint64_t deadline_ms, struct failure *f)
{
	struct err err = { 0 };
	size_t room;
	char *to = varlink_reader_room(&c->reader, READ_SIZE, &room, &err);
	ssize_t n;

	if (!to)
		return failure_set(f, EXIT_FAILED, err.code, "tunneld's answer: %s", err.msg);
	n = read(c->fd, to, room);
	if (n > 0) {
		varlink_reader_commit(&c->reader, (size_t)n);
		return 1;
	}
	if (n == 0 || (errno != EAGAIN && errno != EINTR))
		return connection_lost(c, f);
	return wait_for(c, POLLIN, deadline_ms, f);
}

int client_receive(struct client *c, uint64_t deadline_ms, json_t **ret, bool *ret_continues,
		   struct failure *f)
{
	struct varlink_reply reply;
	struct err err = { 0 };
	json_t *message = NULL;
	int rc;

	while ((rc = varlink_reader_next(&c->reader, &message, &err)) == 0) {
		rc = read_more(c, deadline_ms, f);
		if (rc <= 0)
			return rc;
	}
	if (rc < 0 || varlink_reply_parse(message, &reply, &err) < 0) {
		failure_set(f, EXIT_FAILED, err.code, "tunneld's answer: %s", err.msg);
		rc = -1;
	} else if (reply.error) {
		rc = failure_from_reply(f, reply.error, reply.parameters);
	} else {
		*ret = reply.parameters ? json_incref(reply.parameters) : json_object();
		*ret_continues = reply.continues;
		rc = *ret ? 1 : failure_nomem(f);
	}
	json_decref(message);
	return rc;
}
