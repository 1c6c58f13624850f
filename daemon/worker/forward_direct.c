/* SPDX-License-Identifier: MIT */
#include "daemon/worker/forward_direct.h"

#include <stdlib.h>
#include <string.h>

#include "lib/util.h"

#define CLIENTS_MAX 256 /* that wait; the supervisor has few clients at a time */

/* Who has asked, until he has brought his socket. */
struct direct_client {
	struct list link; /* forward_direct.clients */
	struct forward_direct *owner;
	uint64_t call;
	struct config_end target;
	struct loop_timer patience; /* while there is no session */
	struct connection *connection; /* NULL: not begun */
	bool told; /* that it is open */
	struct loop_grave grave;
};

struct forward_direct {
	struct forward base;
	struct list clients;
	unsigned count;
	bool refuses;
};

static struct forward_direct *direct(struct forward *f)
{
	return (struct forward_direct *)f;
}

static void destroy(void *data)
{
	struct direct_client *client = data;

	free(client->target.host);
	free(client);
}

static void forget(struct direct_client *client)
{
	client->owner->count--;
	list_remove(&client->link);
	loop_timer_close(&client->patience);
	loop_bury(client->owner->base.parts->loop, &client->grave, destroy, client);
}

static void answer(struct direct_client *client, const struct err *err)
{
	if (!client->told)
		report_connected(client->owner->base.parts->report, client->call, err);
	client->told = true;
	if (err)
		forget(client);
}

static void on_patience_over(void *data)
{
	struct direct_client *client = data;
	struct err err;

	err_set(&err, ERR_NOT_CONNECTED, "the tunnel did not come up in time; see: tunctl list");
	answer(client, &err);
}

static void begin(struct direct_client *client)
{
	struct forward_direct *f = client->owner;
	struct err err;

	loop_timer_stop(&client->patience);
	if (!forward_has_room(&f->base))
		err_set(&err, ERR_LIMIT, "the session carries as many connections as it can");
	else
		client->connection = connection_open_direct(&f->base.home, &client->target, &err);
	if (client->connection)
		forward_begun(&f->base);
	else
		answer(client, &err);
}

void forward_direct_connect(struct forward *base, uint64_t call, struct config_end *target,
			    unsigned hold_ms)
{
	struct forward_direct *f = direct(base);
	struct direct_client *client = f->count < CLIENTS_MAX ? calloc(1, sizeof(*client)) : NULL;
	struct err err;

	if (!client ||
	    loop_timer_open(&client->patience, base->parts->loop, on_patience_over, client) < 0) {
		err_set(&err, ERR_LIMIT, "too many clients wait for a connection");
		report_connected(base->parts->report, call, &err);
		free(client);
		return;
	}
	client->owner = f;
	client->call = call;
	client->target = *target;
	*target = (struct config_end){ 0 };
	list_append(&f->clients, &client->link);
	f->count++;
	if (base->home.session) {
		begin(client);
	} else if (f->refuses || hold_ms == 0) {
		on_patience_over(client);
	} else {
		loop_timer_set(&client->patience, hold_ms);
		base->ops->on_waiting(base->data, base);
	}
}

static struct direct_client *find(struct forward *f, uint64_t call)
{
	struct direct_client *client;

	list_for_each (client, &direct(f)->clients, link) {
		if (client->call == call)
			return client;
	}
	return NULL;
}

bool forward_direct_attach(struct forward *f, uint64_t call, int *fd)
{
	struct direct_client *client = find(f, call);

	if (!client || !client->connection || !client->told)
		return false;
	connection_attach(client->connection, TAKE_FD(*fd));
	if (!list_is_empty(&client->link))
		forget(client);
	return true;
}

bool forward_direct_cancel(struct forward *f, uint64_t call)
{
	struct direct_client *client = find(f, call);
	struct connection *c = client ? client->connection : NULL;

	if (!client)
		return false;
	forget(client);
	if (c)
		connection_end(c, false);
	return true;
}

/* ---- the kind ---- */

static struct direct_client *client_of(struct forward_direct *f, const struct connection *c)
{
	struct direct_client *client;

	list_for_each (client, &f->clients, link) {
		if (client->connection == c)
			return client;
	}
	return NULL;
}

static void reached(struct forward *f, struct connection *c, const struct err *err)
{
	struct direct_client *client = client_of(direct(f), c);

	if (client)
		answer(client, err);
}

/* Without an answer so far: the session has ended, or a person has ended the connection. */
static void ended(struct forward *f, struct connection *c)
{
	struct direct_client *client = client_of(direct(f), c);
	struct err err;

	if (!client)
		return;
	err_set(&err, ERR_LOST, "the connection was ended before it was open");
	answer(client, &err);
}

static void serve(struct forward *f)
{
	struct direct_client *client;

	direct(f)->refuses = false;
	list_for_each (client, &direct(f)->clients, link) {
		if (!client->connection)
			begin(client);
	}
}

static void hold(struct forward *f, struct session *s)
{
	direct(f)->refuses = false;
}

static void refuse(struct forward *f, struct session *s)
{
	struct direct_client *client;

	direct(f)->refuses = true;
	list_for_each (client, &direct(f)->clients, link) {
		if (!client->connection)
			on_patience_over(client);
	}
}

static bool is_waiting(const struct forward *f)
{
	const struct forward_direct *d = (const struct forward_direct *)f;

	return !list_is_empty(&d->clients);
}

static enum forward_state state(const struct forward *f)
{
	return f->home.session ? FORWARD_OPEN : FORWARD_CLOSED;
}

static void free_parts(struct forward *f)
{
	struct direct_client *client;

	list_for_each (client, &direct(f)->clients, link)
		on_patience_over(client);
}

static const struct forward_kind kind = {
	.serve = serve,
	.hold = hold,
	.refuse = refuse,
	.is_waiting = is_waiting,
	.reached = reached,
	.ended = ended,
	.state = state,
	.free = free_parts,
};

struct forward *forward_direct_new(const struct worker_parts *parts, uint64_t tunnel,
				   const struct forward_ops *ops, void *data, struct err *err)
{
	struct wire_forward about = { .tunnel = tunnel };
	struct config_forward spec = { .name = strdup("tunctl nc") };
	struct forward_direct *f = calloc(1, sizeof(*f));

	if (!f || !spec.name ||
	    forward_init(&f->base, &kind, parts, &about, &spec, ops, data, err) < 0) {
		config_forward_fini(&spec);
		free(f);
		err_nomem(err);
		return NULL;
	}
	list_init(&f->clients);
	return &f->base;
}
