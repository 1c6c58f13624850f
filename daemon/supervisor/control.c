/* SPDX-License-Identifier: MIT */
#include "daemon/supervisor/control.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/common/log.h"
#include "lib/util.h"

#define LOOK_MS 2000 /* at the socket's file */
#define ACCEPT_BATCH 64 /* a turn */
#define PAUSE_MS 100 /* when descriptors or memory ran out */
#define COMPLAIN_MS 10000 /* how often that is logged */
#define IDLE_MAX_MS 10000 /* a client that is idle for longer leaves when others want in */

/* ---- accepting ---- */

/* Sleepers must not lock everybody out: one that has left and was not noticed yet goes, or the one
 * that has been idle for longest, if that is long enough. Those whose call is under way stay. */
static bool make_room(struct control *c)
{
	struct client *client, *idlest = NULL;

	list_for_each (client, &c->clients, link) {
		if (client_has_left(client)) {
			client_close(client);
			return true;
		}
		if (!client_is_busy(client) && (!idlest || client->active_ms < idlest->active_ms))
			idlest = client;
	}
	if (!idlest || monotonic_ms() - idlest->active_ms < IDLE_MAX_MS)
		return false;
	client_close(idlest);
	return true;
}

static void refuse(int fd)
{
	static const char reply[] = "{\"error\":\"io.tunneld.Manager.Failed\",\"parameters\":{"
				    "\"code\":\"limit\",\"message\":\"too many clients\"}}";

	if (send(fd, reply, sizeof(reply), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		log_debug("control: a client was refused: too many");
	close(fd);
}

static void on_client_closed(void *data, struct client *client)
{
	struct control *c = data;

	c->client_count--;
}

/* Whoever waits keeps the socket readable: without a pause it would be asked for ever. */
static void pause_accepting(struct control *c, int sys)
{
	uint64_t now = monotonic_ms();

	if (c->complained_ms == 0 || now - c->complained_ms >= COMPLAIN_MS) {
		c->complained_ms = now;
		log_warning("control: cannot accept: %s; trying again", strerror(sys));
	}
	loop_io_want(&c->io, 0);
	loop_timer_set(&c->pause, PAUSE_MS);
}

static void on_pause_over(void *data)
{
	struct control *c = data;

	loop_io_want(&c->io, LOOP_READ);
}

/* False: nobody is there any more, or there is no room for anybody. */
static bool accept_one(struct control *c)
{
	struct ucred peer;
	socklen_t length = sizeof(peer);
	int fd = accept4(c->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct client *client;

	if (fd < 0 && errno != EAGAIN && errno != ECONNABORTED && errno != EINTR)
		pause_accepting(c, errno);
	if (fd < 0)
		return errno == ECONNABORTED || errno == EINTR;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0 ||
	    (c->client_count >= CONTROL_CLIENTS_MAX && !make_room(c))) {
		refuse(fd);
		return true;
	}
	client = client_new(c->loop, fd, peer.uid, c->dispatch, c->data, on_client_closed, c);
	if (!client) {
		refuse(fd);
		return true;
	}
	list_append(&c->clients, &client->link);
	c->client_count++;
	return true;
}

static void on_ready(void *data, unsigned ready)
{
	struct control *c = data;

	for (int i = 0; i < ACCEPT_BATCH && accept_one(c); i++)
		;
}

/* ---- the socket ---- */

/* Told once, until there is something else to tell. */
static void complain(struct control *c, const struct err *why)
{
	if (strcmp(c->trouble.msg, why->msg) == 0)
		return;
	c->trouble = *why;
	log_warning("control: somebody removed %s or its lock, and it cannot be made anew: %s",
		    c->file.path, why->msg);
}

/* Who connected to the old one before it was removed is let in first. */
static int serve(struct control *c, int fd)
{
	if (c->fd >= 0)
		on_ready(c, LOOP_READ);
	loop_io_close(&c->io);
	closep(&c->fd);
	c->fd = fd;
	return loop_io_open(&c->io, c->loop, c->fd, LOOP_READ, on_ready, c);
}

/* A cleaner of temporary files, or a slip: nobody could steer the daemon any more until it is restarted. */
static void on_look(void *data)
{
	struct control *c = data;
	struct err err;
	int fd;

	loop_timer_set(&c->look, LOOK_MS);
	if (c->fd >= 0 && !control_file_is_lost(&c->file))
		return;
	if (control_file_restore(&c->file, &fd, &err) < 0) {
		complain(c, &err);
		return;
	}
	if (fd >= 0 && serve(c, fd) < 0) {
		err_nomem(&err);
		complain(c, &err);
		unix_socket_remove(c->file.path, &c->file.id); /* what is not there is made anew */
		return;
	}
	err_clear(&c->trouble);
	log_warning("control: somebody removed %s%s; it was made anew", c->file.path,
		    fd >= 0 ? "" : ".lock");
}

int control_open(struct control *c, struct loop *loop, const struct control_place *place,
		 client_dispatch_fn dispatch, void *data, struct err *err)
{
	*c = (struct control){ .loop = loop, .fd = -1, .dispatch = dispatch, .data = data };
	list_init(&c->clients);
	if (control_file_init(&c->file, place->path, place->is_shared, place->lock, err) < 0)
		return -1;
	c->fd = control_file_bind(&c->file, err);
	return c->fd < 0 ? -1 : 0;
}

int control_publish(struct control *c, struct err *err)
{
	if (loop_timer_open(&c->pause, c->loop, on_pause_over, c) < 0 ||
	    loop_timer_open(&c->look, c->loop, on_look, c) < 0 ||
	    loop_io_open(&c->io, c->loop, c->fd, LOOP_READ, on_ready, c) < 0)
		return err_nomem(err);
	loop_timer_set(&c->look, LOOK_MS);
	return control_file_publish(&c->file, err);
}

void control_close(struct control *c)
{
	struct client *client;

	if (!c->loop)
		return;
	list_for_each (client, &c->clients, link)
		client_close(client);
	loop_io_close(&c->io);
	loop_timer_close(&c->pause);
	loop_timer_close(&c->look);
	control_file_fini(&c->file);
	closep(&c->fd);
	*c = (struct control){ .fd = -1 };
}
