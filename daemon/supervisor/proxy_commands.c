/* SPDX-License-Identifier: MIT */
/*
 * The worker must not see the end of the line before it knows why: a duplicate of the program's end is
 * kept until the worker has heard how the program ended, and has said so.
 */
#include "daemon/supervisor/proxy_commands.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "daemon/common/log.h"
#include "daemon/common/wire_command.h"
#include "daemon/supervisor/program.h"
#include "daemon/supervisor/worker.h"
#include "lib/proxy_command.h"
#include "lib/util.h"

struct proxy_command {
	struct list link; /* proxy_commands.all */
	struct proxy_commands *owner;
	struct worker *worker; /* NULL: it has let go, or is dead */
	uint64_t call; /* the worker's number */
	uint64_t tunnel;
	char tunnel_name[CONFIG_NAME_MAX + 1]; /* for the log, even when the tunnel has gone */
	char name[32]; /* of the program */
	struct program program;
	int its_fd; /* the program's end; -1: the worker may see that it has ended */
	struct loop_grave grave;
};

static void forget(struct proxy_command *p)
{
	struct proxy_commands *ps = p->owner;

	list_remove(&p->link);
	closep(&p->its_fd);
	loop_bury(ps->loop, &p->grave, free, p);
	if (--ps->count == 0)
		ps->on_over(ps->data);
}

/* The worker has no more to do with it. */
static void let_go(struct proxy_command *p)
{
	p->worker = NULL;
	closep(&p->its_fd);
	if (program_is_running(&p->program))
		program_stop(&p->program);
	else
		forget(p);
}

/* ---- what the program does ---- */

static void on_line(void *data, const char *text)
{
	struct proxy_command *p = data;

	log_info("%s: proxy_command %s: %s", p->tunnel_name, p->name, text);
}

static void describe_end(const struct proxy_command *p, int wait_status, const char *last,
			 struct err *ret)
{
	char how[96];

	if (WIFSIGNALED(wait_status))
		child_end_text(how, sizeof(how), wait_status);
	else
		snprintf(how, sizeof(how), "ended with status %d", WEXITSTATUS(wait_status));
	err_set(ret, ERR_PROXY_COMMAND, "proxy_command %s %s%s%s", p->name, how, *last ? ": " : "",
		last);
}

static void on_end(void *data, int wait_status, const char *last, const struct err *not_run)
{
	struct proxy_command *p = data;
	struct err err = not_run ? *not_run : (struct err){ 0 };

	if (not_run)
		err_prefix(&err, "proxy_command");
	else
		describe_end(p, wait_status, last, &err);
	log_debug("%s: %s", p->tunnel_name, err.msg);
	if (!p->worker || worker_send(p->worker, wire_command_ended(p->call, &err), NULL, 0) < 0)
		forget(p);
}

static const struct program_ops program_ops = { .on_line = on_line, .on_end = on_end };

/* ---- what workers want ---- */

static struct proxy_command *find(const struct proxy_commands *ps, const struct worker *w,
				  uint64_t call)
{
	struct proxy_command *p;

	list_for_each (p, &ps->all, link) {
		if (p->worker == w && p->call == call)
			return p;
	}
	return NULL;
}

static size_t count_of(const struct proxy_commands *ps, uint64_t tunnel)
{
	const struct proxy_command *p;
	size_t count = 0;

	list_for_each (p, &ps->all, link)
		count += p->tunnel == tunnel;
	return count;
}

/* The settings of the server a worker speaks of; NULL: it has another configuration in mind. */
static const struct connection_settings *settings_of(const struct tunnel *t,
						     const struct wire_command *wanted)
{
	const struct connection_settings *c =
		t ? config_named_hop(t->spec, wanted->route, wanted->hop, wanted->server) : NULL;

	return c && c->proxy_command.count > 0 ? c : NULL;
}

static int check_limits(const struct proxy_commands *ps, uint64_t tunnel, struct err *err)
{
	if (ps->count >= PROXY_COMMANDS_MAX)
		return err_set(err, ERR_LIMIT, "%d commands are running; there can be no more",
			       PROXY_COMMANDS_MAX);
	if (count_of(ps, tunnel) >= PROXY_COMMANDS_OF_TUNNEL)
		return err_set(err, ERR_LIMIT, "%d commands of this tunnel have not ended yet",
			       PROXY_COMMANDS_OF_TUNNEL);
	return 0;
}

static struct proxy_command *command_new(struct proxy_commands *ps, struct worker *w,
					 const struct tunnel *t, const struct wire_command *wanted,
					 const struct connection_settings *c)
{
	struct proxy_command *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	*p = (struct proxy_command){ .owner = ps,
				     .worker = w,
				     .call = wanted->call,
				     .tunnel = wanted->tunnel,
				     .its_fd = -1 };
	snprintf(p->tunnel_name, sizeof(p->tunnel_name), "%s", t->name);
	proxy_command_name(p->name, sizeof(p->name), c);
	return p;
}

static int run(struct proxy_commands *ps, struct proxy_command *p,
	       const struct connection_settings *c, struct err *err)
{
	struct strv words = { 0 };
	int fd = -1, rc = proxy_command_words(c, &words);

	rc = rc < 0 ? err_nomem(err)
		    : program_start(&p->program, ps->loop, ps->children, &words, &program_ops, p,
				    &fd, &p->its_fd, err);
	strv_fini(&words);
	if (rc < 0)
		return -1;
	list_append(&ps->all, &p->link);
	ps->count++;
	if (worker_send(p->worker, wire_command_started(p->call, NULL), &fd, 1) < 0)
		let_go(p); /* its death will be told */
	closep(&fd);
	return 0;
}

/* -1: err says why not. */
static int start(struct proxy_commands *ps, struct worker *w, const struct wire_command *wanted,
		 struct err *err)
{
	struct tunnel *t = tunnels_find_id(ps->tunnels, wanted->tunnel);
	const struct connection_settings *c = settings_of(t, wanted);
	struct proxy_command *p;

	if (!c || t->worker != w)
		return err_set(err, ERR_LOST, "the configuration has just changed");
	if (check_limits(ps, wanted->tunnel, err) < 0)
		return -1;
	p = command_new(ps, w, t, wanted, c);
	if (!p)
		return err_nomem(err);
	if (run(ps, p, c, err) == 0)
		return 0;
	free(p);
	return -1;
}

static int handle_command(struct proxy_commands *ps, struct worker *w, json_t *message,
			  struct err *err)
{
	struct wire_command wanted;
	struct err why;

	if (wire_read_command(message, &wanted, err) < 0)
		return -1;
	if (find(ps, w, wanted.call))
		return err_set(err, ERR_PROTOCOL, "it asks for a command twice");
	if (start(ps, w, &wanted, &why) < 0) {
		err_prefix(&why, "proxy_command");
		worker_send(w, wire_command_started(wanted.call, &why), NULL, 0);
	}
	return 0;
}

/* One that is not known ended at the same time. */
static int handle_end(struct proxy_commands *ps, struct worker *w, json_t *message, struct err *err)
{
	struct proxy_command *p;
	uint64_t call;

	if (wire_read_about_call(message, &call, err) < 0)
		return -1;
	p = find(ps, w, call);
	if (p)
		let_go(p);
	return 0;
}

static const struct {
	const char *type;
	int (*handle)(struct proxy_commands *ps, struct worker *w, json_t *message,
		      struct err *err);
} handlers[] = {
	{ "command", handle_command },
	{ "command-end", handle_end },
};

bool proxy_commands_know(const char *type)
{
	for (size_t i = 0; i < ARRAY_SIZE(handlers); i++) {
		if (strcmp(handlers[i].type, type) == 0)
			return true;
	}
	return false;
}

int proxy_commands_handle(struct proxy_commands *ps, struct worker *w, const char *type,
			  json_t *message, struct err *err)
{
	size_t i = 0;

	while (strcmp(handlers[i].type, type) != 0)
		i++;
	return handlers[i].handle(ps, w, message, err);
}

void proxy_commands_on_worker_dead(struct proxy_commands *ps, const struct worker *w)
{
	struct proxy_command *p;

	list_for_each (p, &ps->all, link) {
		if (p->worker == w)
			let_go(p);
	}
}

static void nobody_waits(void *data)
{
}

void proxy_commands_init(struct proxy_commands *ps, struct loop *loop, struct children *children,
			 struct tunnels *tunnels, void (*on_over)(void *data), void *data)
{
	*ps = (struct proxy_commands){ .loop = loop,
				       .children = children,
				       .tunnels = tunnels,
				       .on_over = on_over,
				       .data = data };
	list_init(&ps->all);
}

void proxy_commands_fini(struct proxy_commands *ps)
{
	struct proxy_command *p;

	if (!ps->loop)
		return;
	ps->on_over = nobody_waits;
	list_for_each (p, &ps->all, link) {
		program_kill(&p->program);
		forget(p);
	}
}
