/* SPDX-License-Identifier: MIT */
/*
 * Methods that change which tunnels there are: Add, Drop, Reload. The caller hears "added" when the
 * tunnel is on the disk, not before.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/common/log.h"
#include "daemon/supervisor/commands.h"
#include "daemon/supervisor/reload.h"
#include "daemon/supervisor/state_dir.h"
#include "lib/node.h"
#include "lib/util.h"

/* What the thread works on. */
struct change_job {
	char *state_dir;
	struct strv names;
	size_t done; /* names whose file is gone */
	char *text; /* of Add: the tunnel for the file */
	struct node *tree; /* the same, to be read */
	const struct config
		*config; /* the running one; of Add, which is the only change meanwhile */
	struct config_problems problems; /* why there is no tunnel */
	struct config_tunnel *tunnel; /* what the thread made */
	struct strv notes; /* and what of ssh's configuration could not be carried */
	struct err err;
};

static void job_free(void *data)
{
	struct change_job *job = data;

	free(job->state_dir);
	strv_fini(&job->names);
	free(job->text);
	node_free(job->tree);
	config_problems_fini(&job->problems);
	config_tunnel_free(job->tunnel);
	strv_fini(&job->notes);
	free(job);
}

static struct change_job *job_new(const struct supervisor *s)
{
	struct change_job *job = calloc(1, sizeof(*job));

	if (!job)
		return NULL;
	job->state_dir = strdup(s->source.state_dir);
	if (job->state_dir)
		return job;
	job_free(job);
	return NULL;
}

static void fail(struct change *c, const struct err *err, const char *name)
{
	change_error(c, commands_error_name(err->code), commands_error_parameters(err, name));
}

static bool is_added(const struct config_tunnel *spec)
{
	return spec->line == 0 && strcmp(spec->source, "added") == 0;
}

/* ---- Add ---- */

static bool is_new_name(struct supervisor *s, struct change *c, const char *name)
{
	const struct config_tunnel *same = config_find(s->config, name);
	struct err err;

	if (!same)
		return true;
	if (is_added(same))
		err_set(&err, ERR_TUNNEL_EXISTS,
			"tunnel '%s' was added before; drop it first (tunctl drop %s)", name, name);
	else
		err_set(&err, ERR_TUNNEL_EXISTS, "tunnel '%s' stands in %s:%u; change it there",
			name, same->source, same->line);
	fail(c, &err, name);
	return false;
}

static bool begin_add(struct supervisor *s, struct change *c)
{
	struct change_job *job = c->data;

	job->config = s->config;
	return is_new_name(s, c, job->names.items[0]);
}

/* To make sense of it, ssh may have to be asked about its host, which takes a program and its time. What
 * is read of the configuration here only changes change by change. */
static void work_add(struct change *c)
{
	struct change_job *job = c->data;
	const char *name = job->names.items[0];

	job->tunnel = config_make_tunnel(job->config, name, job->tree, &job->notes, &job->problems);
	if (job->tunnel)
		state_dir_write(job->state_dir, STATE_TUNNEL, name, job->text, &job->err);
}

/* Puts it into the running configuration. */
static int put_tunnel(struct supervisor *s, struct change_job *job)
{
	const char *name = job->names.items[0];

	if (config_insert(s->config, job->tunnel) < 0)
		return err_nomem(&job->err);
	job->tunnel = NULL;
	if (supervisor_add_tunnel(s, config_find(s->config, name)) == 0)
		return 0;
	config_remove(s->config, name);
	return err_nomem(&job->err);
}

/* NULL: no memory. */
static json_t *added(struct tunnel *t, const struct strv *notes)
{
	json_t *reply = commands_snapshots(&t, 1), *list = json_array();

	for (size_t i = 0; i < notes->count; i++)
		json_array_append_new(list, json_string(notes->items[i]));
	if (json_object_set_new(reply, "notes", list) == 0 && json_array_size(list) == notes->count)
		return reply;
	json_decref(reply);
	return NULL;
}

static void finish_add(struct supervisor *s, struct change *c)
{
	struct change_job *job = c->data;
	const char *name = job->names.items[0];

	if (!job->tunnel) {
		change_error(c, commands_error_name(ERR_CONFIG), commands_problems(&job->problems));
		return;
	}
	if (job->err.code != ERR_NONE || put_tunnel(s, job) < 0) {
		log_error("%s: not added: %s", name, job->err.msg);
		fail(c, &job->err, NULL);
		return;
	}
	log_info("%s: added", name);
	change_reply(c, added(tunnels_find(&s->tunnels, name), &job->notes));
}

static const struct change_ops add_ops = {
	.name = "add", .begin = begin_add, .work = work_add, .finish = finish_add, .free = job_free
};

/* ---- Drop ---- */

static bool is_droppable(struct supervisor *s, struct change *c, const char *name)
{
	const struct config_tunnel *spec = config_find(s->config, name);
	struct err err;

	if (spec && is_added(spec))
		return true;
	if (spec)
		err_set(&err, ERR_NOT_ADDED,
			"tunnel '%s' stands in %s:%u; remove it there and run tunctl reload", name,
			spec->source, spec->line);
	else
		commands_no_such_tunnel(&err, name);
	fail(c, &err, name);
	return false;
}

/* All or nothing: a name that cannot be dropped keeps the others, too. */
static bool begin_drop(struct supervisor *s, struct change *c)
{
	struct change_job *job = c->data;

	for (size_t i = 0; i < job->names.count; i++) {
		if (!is_droppable(s, c, job->names.items[i]))
			return false;
	}
	return true;
}

static void work_drop(struct change *c)
{
	struct change_job *job = c->data;

	for (; job->done < job->names.count; job->done++) {
		const char *name = job->names.items[job->done];

		if (state_dir_remove(job->state_dir, STATE_TUNNEL, name, &job->err) < 0 ||
		    state_dir_remove(job->state_dir, STATE_FORWARDS, name, &job->err) < 0)
			break;
	}
}

static void finish_drop(struct supervisor *s, struct change *c)
{
	struct change_job *job = c->data;

	for (size_t i = 0; i < job->done; i++) {
		struct tunnel *t = tunnels_find(&s->tunnels, job->names.items[i]);

		if (t)
			sync_remove(&s->sync, t);
		config_remove(s->config, job->names.items[i]);
	}
	if (job->err.code != ERR_NONE)
		fail(c, &job->err, NULL);
	else
		change_reply(c, NULL);
}

static const struct change_ops drop_ops = { .name = "drop",
					    .begin = begin_drop,
					    .work = work_drop,
					    .finish = finish_drop,
					    .free = job_free };

/* ---- the methods ---- */

/* Takes job over, which may be NULL. */
static void request(struct supervisor *s, struct call *call, const struct change_ops *ops,
		    struct change_job *job)
{
	struct err err;

	if (job && changes_add(&s->changes, ops, job, call) == 0)
		return;
	err_nomem(&err);
	commands_fail(call, &err, NULL);
}

void command_add(struct supervisor *s, struct call *call)
{
	json_t *parameters = call->request.parameters;
	json_t *tunnel = json_object_get(parameters, "tunnel");
	struct change_job *job = job_new(s);
	struct err err;

	if (job) {
		job->tree = node_from_json(tunnel, &err);
		if (!job->tree) {
			job_free(job);
			commands_fail(call, &err, NULL);
			return;
		}
		job->text = json_dumps(tunnel, JSON_INDENT(2));
		if (!job->text ||
		    strv_add(&job->names, json_string_value(json_object_get(parameters, "name"))) <
			    0)
			job_free(TAKE(job));
	}
	request(s, call, &add_ops, job);
}

void command_drop(struct supervisor *s, struct call *call)
{
	json_t *names = json_object_get(call->request.parameters, "names");
	struct change_job *job = job_new(s);
	json_t *name;
	size_t i;

	json_array_foreach (names, i, name) {
		const char *text = json_string_value(name);

		if (job && !strv_contains(&job->names, text) && strv_add(&job->names, text) < 0)
			job_free(TAKE(job));
	}
	request(s, call, &drop_ops, job);
}

void command_reload(struct supervisor *s, struct call *call)
{
	reload_request(s, call);
}
