/* SPDX-License-Identifier: MIT */
#include "daemon/worker/passage.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/worker/channel_pipe.h"
#include "daemon/worker/relay.h"
#include "lib/util.h"

/* For a server's last words; longer than what a session that takes its leave waits (parting.c). */
#define LEAVE_MS 3000
/* Room for what a session passes on in one turn (256 KiB, session.c): what finds none stays with libssh, in
 * memory that is no longer in the cache when it is copied out of there, twice. The kernel doubles it, for
 * what it needs itself. */
#define ROOM_BYTES (256 * 1024)

struct passage {
	const struct worker_parts *parts;
	struct jump_user jump;
	const struct passage_ops *ops; /* NULL: told, or released */
	void *data;
	struct channel_pipe *channel; /* opening; then the relay has it */
	struct relay *relay; /* NULL: not yet, or over */
	struct wire_counters counters; /* what a relay wants; nobody reads them */
	struct relay_traffic traffic;
	bool released;
	struct loop_timer leave;
	struct loop_grave grave;
};

static void bury(struct passage *p)
{
	loop_timer_close(&p->leave);
	jump_leave(&p->jump);
	loop_bury(p->parts->loop, &p->grave, free, p);
}

/* What carried is gone. The owner may still hold it. */
static void end(struct passage *p)
{
	p->relay = NULL;
	jump_leave(&p->jump);
	if (p->released)
		bury(p);
}

static void on_relay_end(void *data, bool reset)
{
	end(data);
}

static const struct relay_ops relay_ops = { .on_end = on_relay_end };

static void on_leave_over(void *data)
{
	struct passage *p = data;

	relay_end(TAKE(p->relay), true);
	end(p);
}

static void fail(struct passage *p, const struct err *err)
{
	const struct passage_ops *ops = TAKE(p->ops);

	p->channel = NULL;
	jump_leave(&p->jump);
	if (ops)
		ops->on_failed(p->data, err);
}

static int join_ends(struct passage *p, int *ret_fd, struct err *err)
{
	struct relay_settings settings = {
		.loop = p->parts->loop,
		.scratch = p->parts->scratch,
		.counters = &p->counters,
		.traffic = &p->traffic,
		.ops = &relay_ops,
		.data = p,
	};
	int pair[2], room = ROOM_BYTES;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
		return err_set_errno(err, err_from_errno(errno), errno, "cannot make a socket");
	setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)); /* or less has to do */
	p->relay = relay_new(&settings, pair[0], p->channel, NULL, 0, err);
	if (!p->relay) {
		close(pair[0]);
		close(pair[1]);
		return -1;
	}
	p->channel = NULL;
	/* A session never half-closes: when its descriptor is closed, nothing is expected any more. */
	relay_drain(p->relay);
	*ret_fd = pair[1];
	return 0;
}

static void on_open(void *data, const struct err *why)
{
	struct passage *p = data;
	const struct passage_ops *ops;
	struct err err;
	int fd = -1;

	if (why) {
		fail(p, why);
		return;
	}
	if (join_ends(p, &fd, &err) < 0) {
		channel_pipe_release(p->channel);
		fail(p, &err);
		return;
	}
	ops = TAKE(p->ops);
	ops->on_open(p->data, fd);
}

/* Before the relay has it: the server's banner may come with the answer. */
static size_t on_data(void *data, const char *bytes, size_t size)
{
	return 0;
}

static void on_service(void *data)
{
}

static void on_lost(void *data)
{
	struct err err;

	err_set(&err, ERR_LOST, "the session it was to go through is gone");
	fail(data, &err);
}

static const struct channel_pipe_ops channel_ops = {
	.on_open = on_open,
	.on_data = on_data,
	.on_service = on_service,
	.on_lost = on_lost,
};

struct passage *passage_new(const struct worker_parts *parts, const struct jump_user *through,
			    const char *host, unsigned port, const struct passage_ops *ops,
			    void *data, struct err *err)
{
	static const struct channel_origin origin = { .host = "127.0.0.1",
						      .port = CHANNEL_NO_PORT };
	struct passage *p = calloc(1, sizeof(*p));

	if (!p || loop_timer_open(&p->leave, parts->loop, on_leave_over, p) < 0) {
		free(p);
		err_nomem(err);
		return NULL;
	}
	p->parts = parts;
	p->ops = ops;
	p->data = data;
	jump_share(&p->jump, through);
	p->channel =
		channel_pipe_open(jump_session(through), host, port, &origin, &channel_ops, p, err);
	if (!p->channel) {
		bury(p);
		return NULL;
	}
	return p;
}

void passage_release(struct passage *p)
{
	if (!p)
		return;
	p->released = true;
	p->ops = NULL;
	if (p->channel)
		channel_pipe_release(TAKE(p->channel));
	if (p->relay)
		loop_timer_set(&p->leave, LEAVE_MS);
	else
		bury(p);
}
