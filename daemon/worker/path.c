/* SPDX-License-Identifier: MIT */
#include "daemon/worker/path.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/endpoint.h"
#include "lib/util.h"

static size_t last_hop(const struct path *p)
{
	return p->route->hop_count - 1;
}

/* Where text speaks of that server, and not of one whose port only begins like its port; NULL: nowhere. */
static const char *find_name(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	if (!at || (at > text && at[-1] != ' ') || isdigit((unsigned char)at[strlen(name)]))
		return NULL;
	return at;
}

/* "hop 2 of 3, me@db:22: it is closed", "hop 2 of 3, me@db:22 wants a password": the server once. */
static void name_one_of_several(size_t hop, size_t count, const struct connection_settings *c,
				struct err *why)
{
	char name[CONNECTION_NAME_MAX], text[sizeof(why->msg)];
	const char *at = find_name(why->msg, connection_name(name, c));

	if (at == why->msg) {
		strcpy(text, why->msg);
		why->msg[0] = '\0';
		err_append(why, "hop %zu of %zu, %s", hop + 1, count, text);
		return;
	}
	if (at)
		err_replace(why, name, "the server");
	err_prefix(why, "hop %zu of %zu, %s", hop + 1, count, name);
}

/* A server that stands alone is named where the message does not; of several it is said which. */
void path_name_hop(const struct path *p, size_t hop, struct err *why)
{
	const struct connection_settings *c = &p->route->hops[hop].connection;
	char text[ENDPOINT_TEXT_MAX];

	if (p->route->hop_count > 1)
		name_one_of_several(hop, p->route->hop_count, c, why);
	else if (!strstr(why->msg, c->host))
		err_prefix(why, "%s", endpoint_format(text, c->host, (uint16_t)c->port));
}

/* When a jump goes, what is behind it notices too, and may be heard first: the jump is the reason. */
static void lose(struct path *p, const struct err *why)
{
	size_t hop = last_hop(p);
	const struct err *before = jump_failure(&p->jump, &hop);
	struct err error = before ? *before : *why; /* may be the attempt's own */

	p->failed_hop = hop;
	p->lacks_key = before ? jump_lacks_key(&p->jump) : p->server.lacks_key;
	path_name_hop(p, hop, &error);
	p->ops->on_lost(p->data, p, &error);
}

/* ---- the server ---- */

static void on_start(void *data)
{
	struct path *p = data;

	p->ops->on_start(p->data, p);
}

static void on_state(void *data)
{
	struct path *p = data;

	p->ops->on_change(p->data, p);
}

static void on_up(void *data)
{
	struct path *p = data;

	p->ops->on_up(p->data, p);
}

static void on_rtt(void *data)
{
	struct path *p = data;

	p->ops->on_rtt(p->data, p);
}

static void on_lost(void *data, const struct err *why)
{
	lose(data, why);
}

static const struct hop_ops server_ops = {
	.on_start = on_start,
	.on_state = on_state,
	.on_up = on_up,
	.on_rtt = on_rtt,
	.on_lost = on_lost,
};

static void knock(struct path *p)
{
	struct attempt_for purpose = {
		.tunnel = p->tunnel,
		.route = (unsigned)p->index,
		.hop = (unsigned)last_hop(p),
		.through = p->jump.jump ? &p->jump : NULL,
	};

	hop_start(&p->server, &p->route->hops[last_hop(p)].connection, &p->upkeep, &purpose,
		  p->urgent);
}

/* ---- the jumps before it ---- */

static void on_jump_change(void *data)
{
	struct path *p = data;
	const struct err *why;
	size_t hop;

	if (p->started) {
		why = jump_failure(&p->jump, &hop);
		if (why) {
			lose(p, why);
			return;
		}
		if (!hop_is_started(&p->server) && jump_session(&p->jump))
			knock(p);
	}
	p->ops->on_change(p->data, p);
}

static const struct jump_user_ops jump_ops = { .on_change = on_jump_change };

/* Keeps the one it has, if that is good and leads where it wants to go. */
static int join_jumps(struct path *p, enum jump_haste haste, struct err *err)
{
	size_t hop;

	if (p->jump.jump && p->jump.route == p->index && !jump_failure(&p->jump, &hop))
		return 0;
	jump_leave(&p->jump);
	p->jump = (struct jump_user){
		.ops = &jump_ops, .data = p, .tunnel = p->tunnel, .route = (unsigned)p->index
	};
	return jump_join(p->parts->jumps, &p->jump, p->route->hops, last_hop(p), haste, err);
}

/* ---- steering ---- */

void path_choose(struct path *p, const struct config_route *route, size_t index)
{
	p->route = route;
	p->index = index;
	p->failed_hop = last_hop(p);
	p->server.rtt_us = -1;
	p->server.facts = (struct wire_session){ 0 };
}

void path_start(struct path *p, const struct upkeep_settings *upkeep, enum jump_haste haste)
{
	struct err err;

	p->upkeep = *upkeep;
	p->urgent = haste == JUMP_URGENT;
	p->started = true;
	p->lacks_key = p->server.lacks_key = false;
	if (p->route->hop_count == 1) {
		jump_leave(&p->jump);
		knock(p);
		return;
	}
	p->ops->on_start(p->data, p);
	if (join_jumps(p, haste, &err) < 0)
		lose(p, &err);
	else if (jump_session(&p->jump))
		knock(p);
}

void path_stop(struct path *p)
{
	p->started = false;
	hop_stop(&p->server);
}

void path_leave_jumps(struct path *p)
{
	jump_leave(&p->jump);
}

struct session *path_take_session(struct path *p)
{
	return hop_take_session(&p->server);
}

void path_rename(struct path *p, const struct config_route *route, size_t index)
{
	p->route = route;
	p->index = index;
	p->failed_hop = last_hop(p);
	p->jump.route = p->server.purpose.route = (unsigned)index;
}

void path_set_upkeep(struct path *p, const struct upkeep_settings *upkeep)
{
	p->upkeep = *upkeep;
	hop_set_upkeep(&p->server, upkeep);
}

void path_hurry(struct path *p)
{
	p->urgent = true;
	hop_hurry(&p->server);
	jump_hurry(&p->jump);
}

void path_ask(struct path *p)
{
	hop_ask(&p->server);
}

/* ---- looking ---- */

struct session *path_session(const struct path *p)
{
	return hop_session(&p->server);
}

enum hop_state path_state(const struct path *p)
{
	return p->server.state;
}

size_t path_describe_jumps(const struct path *p, const struct err *error, struct wire_hop *ret)
{
	size_t count = last_hop(p);

	for (size_t i = 0; i < count; i++)
		ret[i] = (struct wire_hop){ .state = HOP_WAITING, .rtt_us = -1 };
	if (p->jump.jump && p->jump.route == p->index) {
		jump_describe(&p->jump, ret);
	} else if (error->code != ERR_NONE && p->failed_hop < count) {
		ret[p->failed_hop].state = HOP_FAILED;
		ret[p->failed_hop].error = *error;
	}
	return count;
}

/* ---- life ---- */

struct path *path_new(const struct worker_parts *parts, uint64_t tunnel, const struct path_ops *ops,
		      void *data)
{
	struct path *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->parts = parts;
	p->tunnel = tunnel;
	p->ops = ops;
	p->data = data;
	if (hop_open(&p->server, parts, &server_ops, p) < 0) {
		free(p);
		return NULL;
	}
	return p;
}

void path_free(struct path *p)
{
	if (!p)
		return;
	path_stop(p);
	jump_leave(&p->jump);
	hop_close(&p->server);
	loop_bury(p->parts->loop, &p->grave, free, p);
}
