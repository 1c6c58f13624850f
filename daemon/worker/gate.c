/* SPDX-License-Identifier: MIT */
#include "daemon/worker/gate.h"

#include <stdlib.h>
#include <string.h>

struct gate_server {
	struct list link; /* gate.servers */
	struct gate *gate;
	struct list urgent, waiting; /* struct gate_pass, first come first served */
	unsigned inside;
	char name[];
};

struct gate {
	struct loop *loop;
	unsigned limit;
	struct list servers;
	struct loop_defer turn;
};

static struct gate_pass *next_pass(struct gate_server *server)
{
	struct gate_pass *pass = list_first(&server->urgent, struct gate_pass, link);

	return pass ? pass : list_first(&server->waiting, struct gate_pass, link);
}

static void admit(struct gate_server *server)
{
	struct gate_pass *pass;

	while (server->inside < server->gate->limit && (pass = next_pass(server))) {
		list_remove(&pass->link);
		pass->inside = true;
		server->inside++;
		pass->on_admit(pass->data);
	}
}

/* The only place that forgets a server, so that a pass may leave while it is being admitted. */
static void on_turn(void *data)
{
	struct gate *gate = data;
	struct gate_server *server;

	list_for_each (server, &gate->servers, link) {
		admit(server);
		if (server->inside == 0 && !next_pass(server)) {
			list_remove(&server->link);
			free(server);
		}
	}
}

struct gate *gate_new(struct loop *loop, unsigned limit)
{
	struct gate *gate = calloc(1, sizeof(*gate));

	if (!gate)
		return NULL;
	gate->loop = loop;
	gate->limit = limit;
	list_init(&gate->servers);
	loop_defer_open(&gate->turn, loop, on_turn, gate);
	return gate;
}

void gate_free(struct gate *gate)
{
	struct gate_server *server;

	if (!gate)
		return;
	loop_defer_close(&gate->turn);
	list_for_each (server, &gate->servers, link)
		free(server);
	free(gate);
}

void gate_set_limit(struct gate *gate, unsigned limit)
{
	gate->limit = limit;
	loop_defer_schedule(&gate->turn);
}

static struct gate_server *server_get(struct gate *gate, const char *name)
{
	struct gate_server *server;
	size_t size = strlen(name) + 1;

	list_for_each (server, &gate->servers, link) {
		if (strcmp(server->name, name) == 0)
			return server;
	}
	server = calloc(1, sizeof(*server) + size);
	if (!server)
		return NULL;
	server->gate = gate;
	memcpy(server->name, name, size);
	list_init(&server->urgent);
	list_init(&server->waiting);
	list_append(&gate->servers, &server->link);
	return server;
}

int gate_enter(struct gate *gate, struct gate_pass *pass, const char *server_name, bool urgent,
	       gate_admit_fn on_admit, void *data)
{
	struct gate_server *server = server_get(gate, server_name);

	if (!server)
		return -1;
	*pass = (struct gate_pass){
		.server = server, .urgent = urgent, .on_admit = on_admit, .data = data
	};
	list_append(urgent ? &server->urgent : &server->waiting, &pass->link);
	loop_defer_schedule(&gate->turn);
	return 0;
}

void gate_hurry(struct gate_pass *pass)
{
	if (!pass->server || pass->inside || pass->urgent)
		return;
	pass->urgent = true;
	list_remove(&pass->link);
	list_append(&pass->server->urgent, &pass->link);
}

void gate_leave(struct gate_pass *pass)
{
	struct gate_server *server = pass->server;

	if (!server)
		return;
	if (pass->inside)
		server->inside--;
	else
		list_remove(&pass->link);
	*pass = (struct gate_pass){ 0 };
	loop_defer_schedule(&server->gate->turn);
}
