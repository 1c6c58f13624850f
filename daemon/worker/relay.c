/* SPDX-License-Identifier: MIT */
#include "daemon/worker/relay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/worker/channel_pipe.h"
#include "daemon/worker/local_socket.h"
#include "lib/util.h"

/* Bytes on their way that one side has given and the other not yet taken. */
struct held {
	char *bytes;
	size_t start, size;
};

struct relay {
	struct relay_settings set;
	struct channel_pipe *channel; /* NULL: released */
	int fd;
	struct loop_io io;

	/* local → server */
	struct held refused; /* read, but not taken by the channel (yet; or in a key re-exchange) */
	bool local_eof; /* read from the socket */
	bool local_eof_sent; /* passed on */

	/* server → local */
	struct held taken; /* out of the channel, waiting for the socket */
	bool socket_full;
	bool remote_eof_done; /* passed on */
	bool deaf; /* the client has gone, but not all that it sent: what comes for it is dropped */

	bool draining; /* the end of the local side is the end of all */
	bool broken; /* the local side is gone */
	bool over;
	struct loop_grave grave;
};

static void held_clear(struct held *h)
{
	free(h->bytes);
	*h = (struct held){ 0 };
}

static void destroy(void *data)
{
	struct relay *r = data;

	held_clear(&r->refused);
	held_clear(&r->taken);
	free(r);
}

void relay_end(struct relay *r, bool reset)
{
	if (!r || r->over)
		return;
	r->over = true;
	loop_io_close(&r->io);
	if (reset)
		local_socket_reset(r->fd);
	else
		close(r->fd);
	r->fd = -1;
	if (r->channel)
		channel_pipe_release(TAKE(r->channel));
	loop_bury(r->set.loop, &r->grave, destroy, r);
}

static void finish(struct relay *r, bool reset)
{
	if (r->over)
		return;
	relay_end(r, reset);
	r->set.ops->on_end(r->set.data, reset);
}

static void note_active(struct relay *r)
{
	r->set.traffic->active_ms = loop_now_ms(r->set.loop);
}

/* ---- server → local ---- */

/* Clients may send their last words and leave at once. */
static bool is_all_passed_on(const struct relay *r)
{
	return r->refused.size == 0 && !local_socket_has_unread(r->fd);
}

/* Returns how many bytes the socket took. */
static size_t push(struct relay *r, const char *bytes, size_t size)
{
	ssize_t n;

	if (r->deaf)
		return size;
	if (r->socket_full || r->broken)
		return 0;
	n = send(r->fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		r->broken = is_all_passed_on(r);
		r->deaf = !r->broken;
		return r->deaf ? size : 0;
	}
	n = MAX(n, 0);
	r->socket_full = (size_t)n < size && !r->broken;
	if (n > 0)
		note_active(r);
	r->set.counters->bytes_in += (uint64_t)n;
	r->set.traffic->bytes_in += (uint64_t)n;
	return (size_t)n;
}

static size_t on_data(void *data, const char *bytes, size_t size)
{
	struct relay *r = data;

	return r->taken.size > 0 ? 0 : push(r, bytes, size);
}

/* All that the server has sent is passed on, and no more will come. */
static bool has_all(const struct relay *r)
{
	return channel_pipe_is_eof(r->channel) && r->taken.size == 0 &&
	       channel_pipe_held(r->channel) == 0 && !r->broken;
}

static void flush_to_local(struct relay *r)
{
	while (!r->socket_full && !r->broken) {
		size_t n;

		if (r->taken.size == 0) {
			held_clear(&r->taken);
			if (channel_pipe_held(r->channel) == 0)
				break;
			r->taken.bytes = channel_pipe_take(r->channel, &r->taken.size);
			if (channel_pipe_is_broken(r->channel))
				r->broken = true;
			continue;
		}
		n = push(r, r->taken.bytes + r->taken.start, r->taken.size);
		r->taken.start += n;
		r->taken.size -= n;
	}
	if (has_all(r) && !r->remote_eof_done) {
		r->remote_eof_done = true;
		shutdown(r->fd, SHUT_WR);
	}
}

/* ---- local → server ---- */

static void note_sent(struct relay *r, int n)
{
	if (n > 0)
		note_active(r);
	r->set.counters->bytes_out += (uint64_t)n;
	r->set.traffic->bytes_out += (uint64_t)n;
}

static void flush_refused(struct relay *r)
{
	struct held *h = &r->refused;
	size_t room;
	int n;

	room = h->size > 0 ? channel_pipe_room(r->channel) : 0;
	if (room == 0)
		return;
	n = channel_pipe_write(r->channel, h->bytes + h->start, MIN(h->size, room));
	if (n < 0) {
		r->broken = true;
		return;
	}
	h->start += (size_t)n;
	h->size -= (size_t)n;
	note_sent(r, n);
	if (h->size == 0)
		held_clear(h);
	else
		channel_pipe_room(r->channel); /* that was all of the window: we wait for more */
}

static void keep_refused(struct relay *r, const char *bytes, size_t size)
{
	r->refused.bytes = malloc(size);
	if (!r->refused.bytes) {
		r->broken = true;
		return;
	}
	memcpy(r->refused.bytes, bytes, size);
	r->refused.start = 0;
	r->refused.size = size;
}

static bool may_read(struct relay *r)
{
	return !r->local_eof && r->refused.size == 0 && !r->broken;
}

static void read_local(struct relay *r)
{
	size_t room = may_read(r) ? channel_pipe_room(r->channel) : 0;
	char *bytes = r->set.scratch->bytes;
	ssize_t n;
	int taken;

	if (room == 0)
		return;
	n = recv(r->fd, bytes, MIN(room, sizeof(r->set.scratch->bytes)), MSG_DONTWAIT);
	if (n < 0) {
		r->broken = errno != EAGAIN && errno != EINTR;
		return;
	}
	if (n == 0) {
		r->local_eof = true;
		return;
	}
	taken = channel_pipe_write(r->channel, bytes, (size_t)n);
	if (taken < 0) {
		r->broken = true;
		return;
	}
	note_sent(r, taken);
	if (taken < n)
		keep_refused(r, bytes + taken, (size_t)(n - taken));
}

/* ---- both ---- */

static bool is_done(const struct relay *r)
{
	return has_all(r) && (r->local_eof_sent || channel_pipe_is_closed(r->channel));
}

/* After anything happened: pass ends on, listen for what can go on, notice the end. */
static void settle(struct relay *r)
{
	unsigned interest = 0;

	if (r->broken) {
		finish(r, true);
		return;
	}
	if (r->local_eof && r->refused.size == 0 && !r->local_eof_sent) {
		r->local_eof_sent = true;
		channel_pipe_send_eof(r->channel);
	}
	if (r->local_eof_sent && (r->draining || r->deaf)) {
		finish(r, r->deaf);
		return;
	}
	if (is_done(r)) {
		finish(r, false);
		return;
	}
	if (may_read(r) && channel_pipe_room(r->channel) > 0)
		interest |= LOOP_READ;
	if (r->socket_full)
		interest |= LOOP_WRITE;
	loop_io_want(&r->io, interest);
}

static void on_ready(void *data, unsigned ready)
{
	struct relay *r = data;

	if (ready & LOOP_WRITE) {
		r->socket_full = false;
		flush_to_local(r);
	}
	if (ready & LOOP_READ)
		read_local(r);
	settle(r);
}

static void on_service(void *data)
{
	struct relay *r = data;

	flush_refused(r);
	flush_to_local(r);
	settle(r);
}

/* What was on its way is lost: a reset says so, an orderly end would be a lie. But the last words of a
 * session may be those of its channels: what was over with them is no loss. */
static void on_lost(void *data)
{
	struct relay *r = data;
	bool done = is_done(r);

	r->channel = NULL;
	finish(r, !done);
}

static const struct channel_pipe_ops channel_ops = {
	.on_data = on_data,
	.on_service = on_service,
	.on_lost = on_lost,
};

struct relay *relay_new(const struct relay_settings *settings, int fd, struct channel_pipe *c,
			char *early, size_t early_size, struct err *err)
{
	struct relay *r = calloc(1, sizeof(*r));

	if (!r || loop_io_open(&r->io, settings->loop, fd, 0, on_ready, r) < 0) {
		free(r);
		err_nomem(err);
		return NULL;
	}
	r->set = *settings;
	r->fd = fd;
	r->channel = c;
	r->refused = (struct held){ .bytes = early, .size = early_size };
	channel_pipe_set_ops(c, &channel_ops, r);
	channel_pipe_attend(c);
	return r;
}

void relay_drain(struct relay *r)
{
	r->draining = true;
	channel_pipe_attend(r->channel);
}

bool relay_is_abandoned(const struct relay *r)
{
	uint64_t active_ms = r->set.traffic->active_ms;

	if (!r->deaf && !local_socket_is_abandoned(r->fd))
		return false;
	return is_all_passed_on(r) || loop_now_ms(r->set.loop) - active_ms >= RELAY_STUCK_MS;
}
