/* SPDX-License-Identifier: MIT */
#include "daemon/supervisor/client.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/common/log.h"
#include "lib/util.h"

#define READ_SIZE 4096
#define READ_AHEAD_MAX (64 * 1024) /* bytes of later calls while one is being served */
#define CALLS_PER_TURN 8
#define WATCH_MS 500

static bool is_upgrading(const struct client *c)
{
	return c->call && c->call->request.upgrade;
}

static void update_interest(struct client *c)
{
	unsigned interest = 0;

	if (c->closed)
		return;
	if (c->out_sent < c->out_size)
		interest |= LOOP_WRITE;
	if (is_upgrading(c)
		    ? !c->is_ahead
		    : !c->eof && (!c->call || c->reader.size - c->reader.start < READ_AHEAD_MAX))
		interest |= LOOP_READ;
	loop_io_want(&c->io, interest);
}

static void call_free(struct call *call)
{
	json_decref(call->message);
	free(call);
}

static void client_destroy(void *p)
{
	struct client *c = p;

	varlink_reader_fini(&c->reader);
	free(c->out);
	free(c);
}

static void forget_call(struct client *c)
{
	struct call *call = TAKE(c->call);

	if (call->on_gone)
		call->on_gone(call->data);
	call_free(call);
}

void client_close(struct client *c)
{
	if (c->closed)
		return;
	c->closed = true;
	if (c->call)
		forget_call(c);
	loop_io_close(&c->io);
	loop_defer_close(&c->work);
	loop_timer_close(&c->watch);
	closep(&c->fd);
	list_remove(&c->link);
	c->on_closed(c->data, c);
	loop_bury(c->loop, &c->grave, client_destroy, c);
}

/* ---- leaving ---- */

/* Nobody hears answers any more; the calls that have come are carried out all the same. */
static void leave(struct client *c)
{
	c->left = true;
	c->out_sent = c->out_size = 0;
	loop_defer_schedule(&c->work);
}

/* A call that only tells, or that somebody wanted to hear about. One that nobody did is waited for: the
 * next may need what it does. */
static bool is_in_vain(const struct client *c)
{
	return c->left && c->call && (!c->call->request.oneway || is_upgrading(c) || c->call->step);
}

/* ---- sending ---- */

static void flush(struct client *c)
{
	while (c->out_sent < c->out_size) {
		ssize_t n = send(c->fd, c->out + c->out_sent, c->out_size - c->out_sent,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) {
			leave(c);
			break;
		}
		c->out_sent += (size_t)n;
	}
	c->out_sent = c->out_size = 0;
	if (c->out_capacity > CLIENT_UNSENT_ENOUGH) {
		free(TAKE(c->out));
		c->out_capacity = 0;
	}
}

static int reserve(struct client *c, size_t size)
{
	size_t capacity = MAX(c->out_capacity, READ_SIZE);
	char *out;

	if (c->out_sent > 0)
		memmove(c->out, c->out + c->out_sent, c->out_size - c->out_sent);
	c->out_size -= c->out_sent;
	c->out_sent = 0;
	while (capacity < c->out_size + size)
		capacity *= 2;
	if (capacity == c->out_capacity)
		return 0;
	out = realloc(c->out, capacity);
	if (!out)
		return -1;
	c->out = out;
	c->out_capacity = capacity;
	return 0;
}

static int queue(struct client *c, const char *bytes, size_t size)
{
	if (c->out_size - c->out_sent > CLIENT_UNSENT_MAX) {
		log_warning("control: dropping a client of uid %u that does not read its replies",
			    (unsigned)c->uid);
		return -1;
	}
	if (c->out_size + size > c->out_capacity && reserve(c, size) < 0)
		return -1;
	memcpy(c->out + c->out_size, bytes, size);
	c->out_size += size;
	flush(c);
	return 0;
}

/* bytes: a whole message, NULL when it could not be made or fits none. False: the client was
 * closed. */
static bool send_bytes(struct call *call, const char *bytes, size_t size)
{
	struct client *c = call->client;
	CLEANUP(freep) char *excuse = NULL;

	if (c->left)
		return true;
	if (!bytes && !call->request.more) /* pieces of it would fit */
		bytes = excuse = varlink_encode(varlink_error(VARLINK_EXPECTED_MORE, NULL), &size);
	if (!bytes || queue(c, bytes, size) < 0) {
		client_close(c);
		return false;
	}
	update_interest(c);
	return true;
}

/* Takes the reference to message. */
static bool send_message(struct call *call, json_t *message)
{
	CLEANUP(freep) char *bytes = NULL;
	size_t size = 0;

	if (call->request.oneway) {
		json_decref(message);
		return true;
	}
	bytes = message ? varlink_encode(message, &size) : NULL;
	return send_bytes(call, bytes, size);
}

static void end_call(struct call *call)
{
	struct client *c = call->client;

	c->call = NULL;
	c->is_ahead = false;
	call_free(call);
	update_interest(c);
	loop_defer_schedule(&c->work);
}

static void finish(struct call *call, json_t *message)
{
	call->on_gone = NULL; /* who answers knows */
	if (send_message(call, message))
		end_call(call);
}

void call_reply_text(struct call *call, char *text)
{
	size_t size = text ? strlen(text) + 1 : 0;

	call->on_gone = NULL;
	if (call->request.oneway ||
	    send_bytes(call, size <= VARLINK_MESSAGE_MAX ? text : NULL, size))
		end_call(call);
	free(text);
}

void call_reply(struct call *call, json_t *parameters)
{
	finish(call, varlink_reply(parameters, false));
}

void call_error(struct call *call, const char *error, json_t *parameters)
{
	finish(call, varlink_error(error, parameters));
}

void call_continue(struct call *call, json_t *parameters)
{
	send_message(call, varlink_reply(parameters, true));
}

/* The client has its answer. */
static void hand_over(struct client *c)
{
	struct call *call = c->call;

	call->on_gone = NULL;
	call->take(call->data, c->fd);
	client_close(c);
}

void call_upgrade(struct call *call, json_t *parameters, void (*take)(void *data, int fd))
{
	struct client *c = call->client;

	call->take = take;
	if (send_message(call, varlink_reply(parameters, false)) && !c->left &&
	    c->out_sent == c->out_size)
		hand_over(c);
}

void call_defer(struct call *call, void (*on_gone)(void *data), void *data)
{
	call->on_gone = on_gone;
	call->data = data;
}

void call_stream(struct call *call, bool (*step)(struct call *call, void *data),
		 void (*on_gone)(void *data), void *data)
{
	call_defer(call, on_gone, data);
	call->step = step;
	call_wake(call);
}

void call_wake(struct call *call)
{
	loop_defer_schedule(&call->client->work);
}

bool call_is_last(const struct call *call)
{
	return call->client->reader.size == call->client->reader.start;
}

bool call_has_room(const struct call *call)
{
	return !call->client->left &&
	       call->client->out_size - call->client->out_sent < CLIENT_UNSENT_ENOUGH;
}

/* ---- serving ---- */

/* Lets the call that is being served go on. */
static void step_call(struct client *c)
{
	if (!c->call->step || !call_has_room(c->call))
		return; /* on_ready() comes back when the client has read */
	if (c->call->step(c->call, c->call->data) && !c->closed)
		loop_defer_schedule(&c->work);
}

/* Takes the reference to message. */
static void serve(struct client *c, json_t *message)
{
	struct call *call = calloc(1, sizeof(*call));
	struct err err;

	if (!call || varlink_call_parse(message, &call->request, &err) < 0) {
		json_decref(message);
		free(call);
		client_close(c);
		return;
	}
	call->client = c;
	call->message = message;
	call->uid = c->uid;
	c->call = call;
	c->dispatch(c->dispatch_data, call);
}

/* False: nothing more to do for now. */
static bool serve_next(struct client *c)
{
	json_t *message;
	struct err err;
	int rc = varlink_reader_next(&c->reader, &message, &err);

	if (rc > 0) {
		serve(c, message);
		return !c->closed && !c->call;
	}
	if (rc < 0) {
		log_debug("control: dropping a client of uid %u: %s", (unsigned)c->uid, err.msg);
		client_close(c);
	} else if (c->eof && c->out_sent == c->out_size) {
		client_close(c); /* everything was answered and read */
	}
	return false;
}

static void on_work(void *data)
{
	struct client *c = data;
	int served = 0;

	if (c->left && is_upgrading(c)) {
		client_close(c); /* what follows was never for us */
		return;
	}
	if (is_in_vain(c))
		forget_call(c);
	if (c->call)
		step_call(c);
	else
		while (served < CALLS_PER_TURN && serve_next(c))
			served++;
	if (served == CALLS_PER_TURN || is_in_vain(c))
		loop_defer_schedule(&c->work); /* the others have their turn first */
	update_interest(c);
}

bool client_has_left(const struct client *c)
{
	struct pollfd p = { .fd = c->fd };

	return poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR));
}

/* It sends nothing more, but may still read. */
static void on_eof(struct client *c)
{
	c->eof = true;
	if (client_has_left(c))
		leave(c);
	else
		loop_defer_schedule(&c->work);
}

/* Nothing is taken out of the socket; a client that has left is noticed all the same. */
static void peek(struct client *c)
{
	char byte;
	ssize_t n = recv(c->fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0 || client_has_left(c)) {
		client_close(c);
		return;
	}
	c->is_ahead = true;
	loop_timer_set(&c->watch, WATCH_MS);
}

static void on_watch(void *data)
{
	struct client *c = data;

	if (!is_upgrading(c))
		return;
	if (client_has_left(c))
		client_close(c);
	else
		loop_timer_set(&c->watch, WATCH_MS);
}

static void on_readable(struct client *c)
{
	struct err err;
	size_t room;
	char *place = varlink_reader_room(&c->reader, READ_SIZE, &room, &err);
	ssize_t n;

	if (!place) {
		log_debug("control: dropping a client of uid %u: %s", (unsigned)c->uid, err.msg);
		client_close(c);
		return;
	}
	n = recv(c->fd, place, room, MSG_DONTWAIT);
	if (n > 0) {
		c->active_ms = monotonic_ms();
		varlink_reader_commit(&c->reader, (size_t)n);
		loop_defer_schedule(&c->work);
	} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		on_eof(c); /* ECONNRESET: it has left replies unread, and all it sent has been read */
	}
}

static void on_ready(void *data, unsigned ready)
{
	struct client *c = data;

	if (ready & LOOP_WRITE) {
		flush(c);
		if (c->call && c->call->take && !c->left && c->out_sent == c->out_size) {
			hand_over(c);
			return;
		}
		loop_defer_schedule(&c->work);
	}
	if ((ready & LOOP_READ) && is_upgrading(c))
		peek(c);
	else if (ready & LOOP_READ)
		on_readable(c);
	update_interest(c);
}

bool client_is_busy(const struct client *c)
{
	return c->call || c->out_sent < c->out_size;
}

struct client *client_new(struct loop *loop, int fd, uid_t uid, client_dispatch_fn dispatch,
			  void *dispatch_data, void (*on_closed)(void *data, struct client *client),
			  void *data)
{
	struct client *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	*c = (struct client){
		.loop = loop,
		.uid = uid,
		.dispatch = dispatch,
		.dispatch_data = dispatch_data,
		.on_closed = on_closed,
		.data = data,
	};
	c->active_ms = monotonic_ms();
	list_init(&c->link);
	loop_defer_open(&c->work, loop, on_work, c);
	if (loop_timer_open(&c->watch, loop, on_watch, c) < 0 ||
	    loop_io_open(&c->io, loop, fd, LOOP_READ, on_ready, c) < 0) {
		loop_timer_close(&c->watch);
		free(c);
		return NULL;
	}
	c->fd = fd;
	return c;
}
