/* SPDX-License-Identifier: MIT */
#include "daemon/worker/connection_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/worker/local_socket.h"
#include "daemon/worker/session.h"
#include "lib/str.h"
#include "lib/util.h"

void connection_set_state(struct connection *c, enum connection_state state)
{
	if (c->listed) {
		c->home->opening -= c->state != CONNECTION_OPEN;
		c->home->opening += state != CONNECTION_OPEN;
	}
	c->state = state;
}

/* ---- the end ---- */

static void drop_pipe(struct connection *c)
{
	if (c->pipe)
		channel_pipe_release(TAKE(c->pipe));
}

static void close_near(struct connection *c, bool reset)
{
	if (c->fd < 0)
		return;
	if (reset)
		local_socket_reset(c->fd);
	else
		close(c->fd);
	c->fd = -1;
}

void connection_end(struct connection *c, bool reset)
{
	struct connection_home *home = c->home;

	if (c->over)
		return;
	c->over = true;
	connection_set_state(c, CONNECTION_OPEN);
	outgoing_stop(&c->outgoing);
	relay_end(TAKE(c->relay), reset);
	pump_free(TAKE(c->pump), reset);
	proxy_free(TAKE(c->proxy), reset);
	drop_pipe(c);
	close_near(c, reset);
	list_remove(&c->link);
	home->counters.connections--;
	loop_bury(home->parts->loop, &c->grave, free, c);
	home->ops->on_end(home->data, c);
}

/* ---- bytes flow ---- */

static void on_relay_end(void *data, bool reset)
{
	struct connection *c = data;

	c->relay = NULL;
	/* It led to the server of one request; the client may have another. */
	if (c->proxy && !c->is_remote) {
		if (reset)
			proxy_cut(c->proxy);
		return;
	}
	if (!reset && c->pump)
		pump_leave(c->pump);
	else if (reset || !c->proxy) /* a proxy may still have something to say */
		connection_end(c, reset);
}

static const struct relay_ops relay_ops = { .on_end = on_relay_end };

int connection_join(struct connection *c, int fd, char *early, size_t early_size, struct err *err)
{
	struct relay_settings settings = { .loop = c->home->parts->loop,
					   .scratch = c->home->parts->scratch,
					   .counters = &c->home->counters,
					   .traffic = &c->traffic,
					   .ops = &relay_ops,
					   .data = c };

	c->relay = relay_new(&settings, fd, c->pipe, early, early_size, err);
	if (!c->relay)
		return -1;
	c->pipe = NULL;
	connection_set_state(c, CONNECTION_OPEN);
	return 0;
}

void connection_end_after_relay(struct connection *c)
{
	if (c->relay)
		relay_drain(c->relay);
	else
		connection_end(c, false);
}

/* ---- the far end is reached ---- */

/* A proxy may find that its client has gone while it is handed what it waited for. */
static void tell_reached(struct connection *c, const struct err *err)
{
	if (c->over)
		return;
	c->home->ops->on_reached(c->home->data, c, err);
}

static int join_channel(struct connection *c, struct err *err)
{
	if (c->proxy)
		return connection_proxy_join(c, err);
	if (c->fd < 0)
		return 0; /* its socket comes later */
	if (connection_join(c, c->fd, NULL, 0, err) < 0)
		return -1;
	c->fd = -1;
	return 0;
}

static int join_socket(struct connection *c, int fd, struct err *err)
{
	if (c->proxy)
		return connection_proxy_take(c, fd, err);
	if (connection_join(c, fd, NULL, 0, err) == 0)
		return 0;
	close(fd);
	return -1;
}

static void turn_away(struct connection *c, const struct err *err)
{
	if (c->proxy)
		proxy_refuse(c->proxy, err);
	else
		connection_end(c, true);
}

/* The far end is not reached. */
static void not_reached(struct connection *c, const struct err *err)
{
	tell_reached(c, err);
	if (!c->over)
		turn_away(c, err);
}

/* It is, but there is nothing to join it with. */
static void give_up(struct connection *c, const struct err *err)
{
	connection_home_complain(c->home, c->from, err);
	drop_pipe(c);
	turn_away(c, err);
}

static void on_channel_open(void *data, const struct err *err)
{
	struct connection *c = data;
	struct err why;

	if (!err) {
		if (join_channel(c, &why) < 0)
			give_up(c, &why);
		else
			tell_reached(c, NULL);
		return;
	}
	c->pipe = NULL;
	not_reached(c, err);
}

/* Nothing can be taken before there is somewhere to put it. */
static size_t on_early_data(void *data, const char *bytes, size_t size)
{
	return 0;
}

static void on_early_service(void *data)
{
}

/* What was on its way is lost: a reset says so, an orderly end would be a lie. */
static void on_channel_lost(void *data)
{
	struct connection *c = data;

	c->pipe = NULL;
	connection_end(c, true);
}

static const struct channel_pipe_ops pipe_ops = {
	.on_open = on_channel_open,
	.on_data = on_early_data,
	.on_service = on_early_service,
	.on_lost = on_channel_lost,
};

static void on_connected(void *data, int fd)
{
	struct connection *c = data;
	struct err err;

	local_socket_tune(fd);
	if (join_socket(c, fd, &err) < 0) {
		give_up(c, &err);
		return;
	}
	connection_set_state(c, CONNECTION_OPEN);
	tell_reached(c, NULL);
}

static void on_not_connected(void *data, const struct err *err)
{
	not_reached(data, err);
}

static const struct outgoing_ops outgoing_ops = {
	.on_connected = on_connected,
	.on_failed = on_not_connected,
};

/* ---- reaching it ---- */

static void set_target(struct connection *c, const char *host, uint16_t port)
{
	char shown[ENDPOINT_HOST_MAX + 1];

	str_escape(shown, sizeof(shown), host, strlen(host));
	if (port)
		endpoint_format(c->to, shown, port);
	else
		snprintf(c->to, sizeof(c->to), "%s", shown);
}

int connection_reach(struct connection *c, const char *host, uint16_t port, struct err *err)
{
	connection_set_state(c, CONNECTION_OPENING);
	c->home->ops->on_opening(c->home->data);
	set_target(c, host, port);
	if (c->is_remote)
		return outgoing_start(&c->outgoing, c->home->parts, host, port, &outgoing_ops, c,
				      err);
	if (!c->home->session)
		return err_set(err, ERR_NOT_CONNECTED, "the session has ended");
	c->pipe = channel_pipe_open(c->home->session, host, port, &c->origin, &pipe_ops, c, err);
	return c->pipe ? 0 : -1;
}

static int reach_end(struct connection *c, const struct config_end *target, unsigned port_offset,
		     struct err *err)
{
	uint16_t port = target->kind == END_TCP ? (uint16_t)(target->port + port_offset) : 0;

	return connection_reach(c, target->host, port, err);
}

/* ---- the beginning ---- */

static struct connection *new_connection(struct connection_home *home, const char *from,
					 struct err *err)
{
	struct connection *c = calloc(1, sizeof(*c));

	if (!c) {
		err_nomem(err);
		return NULL;
	}
	c->home = home;
	c->id = ++*home->parts->last_connection;
	c->opened_ms = loop_now_ms(home->parts->loop);
	c->fd = -1;
	snprintf(c->from, sizeof(c->from), "%s", from);
	return c;
}

/* What could be set up is counted; nobody has heard of what could not. */
static struct connection *begin(struct connection *c, bool good)
{
	struct connection_home *home = c->home;

	if (!good) {
		free(c);
		return NULL;
	}
	list_append(&home->list, &c->link);
	c->listed = true;
	home->opening += c->state != CONNECTION_OPEN;
	home->counters.connections++;
	home->counters.connections_total++;
	return c;
}

static struct connection *new_accepted(struct connection_home *home,
				       const struct channel_origin *from, struct err *err)
{
	char text[ENDPOINT_TEXT_MAX];
	struct connection *c;

	endpoint_format(text, from->host, (uint16_t)from->port);
	c = new_connection(home, from->port == CHANNEL_NO_PORT ? "unix" : text, err);
	if (!c)
		return NULL;
	c->origin = *from;
	return c;
}

struct connection *connection_open_local(struct connection_home *home, int fd,
					 const struct channel_origin *from,
					 const struct config_end *target, unsigned port_offset,
					 struct err *err)
{
	struct connection *c = new_accepted(home, from, err);

	if (!c || !begin(c, reach_end(c, target, port_offset, err) == 0))
		return NULL;
	c->fd = fd;
	return c;
}

struct connection *connection_open_dynamic(struct connection_home *home, int fd,
					   const struct channel_origin *from, struct err *err)
{
	struct connection *c = new_accepted(home, from, err);

	return c ? begin(c, connection_proxy_start(c, fd, err) == 0) : NULL;
}

struct connection *connection_open_direct(struct connection_home *home,
					  const struct config_end *target, struct err *err)
{
	struct connection *c = new_connection(home, "tunctl nc", err);

	if (!c)
		return NULL;
	snprintf(c->origin.host, sizeof(c->origin.host), "127.0.0.1");
	c->origin.port = CHANNEL_NO_PORT;
	return begin(c, reach_end(c, target, 0, err) == 0);
}

static struct connection *new_incoming(struct connection_home *home, ssh_channel ssh,
				       const char *from, struct err *err)
{
	struct connection *c = new_connection(home, from, err);

	if (!c)
		return NULL;
	c->is_remote = true;
	c->pipe = channel_pipe_adopt(home->session, ssh, &pipe_ops, c, err);
	if (c->pipe)
		return c;
	free(c);
	return NULL;
}

struct connection *connection_open_remote(struct connection_home *home, ssh_channel ssh,
					  const char *from, const struct config_end *target,
					  unsigned port_offset, struct err *err)
{
	struct connection *c = new_incoming(home, ssh, from, err);
	struct channel_pipe *pipe = c ? c->pipe : NULL;

	if (c && !begin(c, reach_end(c, target, port_offset, err) == 0)) {
		channel_pipe_release(pipe);
		return NULL;
	}
	return c;
}

struct connection *connection_open_remote_dynamic(struct connection_home *home, ssh_channel ssh,
						  const char *from, struct err *err)
{
	struct connection *c = new_incoming(home, ssh, from, err);

	if (!c)
		return NULL;
	if (connection_proxy_start_behind_pair(c, err) == 0)
		return begin(c, true);
	relay_end(TAKE(c->relay), true);
	drop_pipe(c);
	return begin(c, false);
}

void connection_attach(struct connection *c, int fd)
{
	struct err err;

	if (!c->pipe || connection_join(c, fd, NULL, 0, &err) < 0) {
		close(fd);
		connection_end(c, true);
	}
}

/* ---- looking ---- */

/* A half-closed client lives. */
static bool is_abandoned(const struct connection *c)
{
	if (c->proxy)
		return proxy_is_abandoned(c->proxy);
	if (c->relay)
		return relay_is_abandoned(c->relay);
	if (c->pump)
		return pump_is_stuck(c->pump);
	return c->fd >= 0 && local_socket_is_abandoned(c->fd);
}

static uint64_t active_ms(const struct connection *c)
{
	return c->traffic.active_ms ? c->traffic.active_ms : c->opened_ms;
}

void connection_reap(struct connection *c, bool all)
{
	unsigned idle_ms = c->home->spec->idle_timeout_ms;
	uint64_t now = loop_now_ms(c->home->parts->loop);

	if ((c->state == CONNECTION_OPENING || all) && is_abandoned(c))
		connection_end(c, true);
	else if (idle_ms > 0 && c->state == CONNECTION_OPEN && now - active_ms(c) >= idle_ms)
		connection_end(c, true);
}

enum connection_state connection_state(const struct connection *c)
{
	return c->state;
}

void connection_describe(const struct connection *c, struct wire_connection *ret)
{
	*ret = (struct wire_connection){
		.id = c->id,
		.forward = c->home->forward,
		.state = c->state,
		.opened_at_ms = c->opened_ms,
		.active_at_ms = active_ms(c),
		.bytes_in = c->traffic.bytes_in,
		.bytes_out = c->traffic.bytes_out,
	};
	strcpy(ret->from, c->from);
	strcpy(ret->to, c->to);
}

struct connection *connection_from_link(struct list *link)
{
	return list_entry(link, struct connection, link);
}
