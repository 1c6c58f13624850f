/* SPDX-License-Identifier: MIT */
/*
 * Methods that change the forwards of a tunnel that lives: ForwardAdd, ForwardDrop. A copy of its
 * settings with the difference is made first and written to the disk; then it takes the place of
 * the old ones, as at a reload of nothing but this.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/common/log.h"
#include "daemon/supervisor/commands.h"
#include "daemon/supervisor/forward_json.h"
#include "daemon/supervisor/rebase.h"
#include "daemon/supervisor/state_dir.h"
#include "lib/node.h"
#include "lib/util.h"

typedef struct config_tunnel *(*edit_fn)(const struct config *config,
					 const struct config_tunnel *tunnel,
					 const struct node *tree, struct config_problems *problems);

struct forward_job {
	char *state_dir, *name;
	json_t *forwards; /* as asked for; the loop's */
	struct config_tunnel *edited; /* until it takes the old one's place */
	bool is_added; /* the tunnel itself */
	char *text; /* forwards for the file; NULL: none are left */
	struct err err;
};

static void job_free(void *data)
{
	struct forward_job *job = data;

	free(job->state_dir);
	free(job->name);
	json_decref(job->forwards);
	config_tunnel_free(job->edited);
	free(job->text);
	free(job);
}

static void fail(struct change *c, const struct err *err)
{
	struct forward_job *job = c->data;

	change_error(c, commands_error_name(err->code), commands_error_parameters(err, job->name));
}

/* ---- on the loop, first ---- */

/* What the file is to hold. */
static int write_down(struct forward_job *job)
{
	json_t *json = forward_json(job->edited, !job->is_added);

	if (json && (job->is_added || json_object_size(json) > 0))
		job->text = json_dumps(json, JSON_INDENT(2));
	if (!json || (!job->text && json_object_size(json) > 0)) {
		json_decref(json);
		return -1;
	}
	json_decref(json);
	return 0;
}

static bool edit_tunnel(struct supervisor *s, struct change *c, const struct config_tunnel *spec,
			edit_fn how)
{
	struct forward_job *job = c->data;
	struct config_problems problems = { 0 };
	struct err err;
	CLEANUP(node_freep) struct node *tree = node_from_json(job->forwards, &err);

	if (!tree) {
		fail(c, &err);
		return false;
	}
	job->edited = how(s->config, spec, tree, &problems);
	if (!job->edited) {
		change_error(c, commands_error_name(ERR_CONFIG), commands_problems(&problems));
		config_problems_fini(&problems);
		return false;
	}
	if (write_down(job) == 0)
		return true;
	err_nomem(&err);
	fail(c, &err);
	return false;
}

static bool begin(struct supervisor *s, struct change *c, edit_fn how)
{
	struct forward_job *job = c->data;
	const struct config_tunnel *spec = config_find(s->config, job->name);
	struct err err;

	if (!spec) {
		commands_no_such_tunnel(&err, job->name);
		fail(c, &err);
		return false;
	}
	job->is_added = spec->line == 0;
	return edit_tunnel(s, c, spec, how);
}

static bool begin_add(struct supervisor *s, struct change *c)
{
	return begin(s, c, config_with_forwards);
}

static bool begin_drop(struct supervisor *s, struct change *c)
{
	return begin(s, c, config_without_forwards);
}

/* ---- on a thread ---- */

/* An added tunnel is one file with all of its forwards. */
static void work(struct change *c)
{
	struct forward_job *job = c->data;

	if (job->text && !job->is_added) {
		state_dir_write(job->state_dir, STATE_FORWARDS, job->name, job->text, &job->err);
		return;
	}
	if (!job->is_added ||
	    state_dir_replace_forwards(job->state_dir, job->name, job->text, &job->err) == 0)
		state_dir_remove(job->state_dir, STATE_FORWARDS, job->name, &job->err);
}

/* ---- on the loop, again ---- */

static void finish(struct supervisor *s, struct change *c)
{
	struct forward_job *job = c->data;
	struct tunnel *t = tunnels_find(&s->tunnels, job->name);
	struct config_tunnel *old;

	if (job->err.code != ERR_NONE || !t) {
		log_error("%s: its forwards stay as they are: %s", job->name, job->err.msg);
		fail(c, &job->err);
		return;
	}
	if (rebase(s, t, job->edited) < 0)
		log_error("%s: out of memory while changing its forwards", job->name);
	old = config_replace(s->config, TAKE(job->edited));
	config_tunnel_free(old);
	sync_tunnel(&s->sync, t);
	tunnel_touch(t);
	log_info("%s: its forwards were changed: %zu now", t->name, t->spec->forward_count);
	change_reply(c, NULL);
}

static json_t *describe(struct supervisor *s, struct change *c)
{
	struct forward_job *job = c->data;
	struct tunnel *t = tunnels_find(&s->tunnels, job->name);

	return commands_snapshots(&t, t ? 1 : 0);
}

static const struct change_ops add_ops = { .name = "forward add",
					   .begin = begin_add,
					   .work = work,
					   .finish = finish,
					   .describe = describe,
					   .free = job_free };

static const struct change_ops drop_ops = { .name = "forward drop",
					    .begin = begin_drop,
					    .work = work,
					    .finish = finish,
					    .describe = describe,
					    .free = job_free };

/* ---- the methods ---- */

static void request(struct supervisor *s, struct call *call, const struct change_ops *ops)
{
	json_t *parameters = call->request.parameters;
	const char *name = json_string_value(json_object_get(parameters, "name"));
	struct forward_job *job = calloc(1, sizeof(*job));
	struct err err;

	if (job) {
		job->forwards = json_incref(json_object_get(parameters, "forwards"));
		job->state_dir = strdup(s->source.state_dir);
		job->name = strdup(name);
		if (!job->state_dir || !job->name)
			job_free(TAKE(job));
	}
	if (job && changes_add(&s->changes, ops, job, call) == 0)
		return;
	err_nomem(&err);
	commands_fail(call, &err, NULL);
}

void command_forward_add(struct supervisor *s, struct call *call)
{
	request(s, call, &add_ops);
}

void command_forward_drop(struct supervisor *s, struct call *call)
{
	request(s, call, &drop_ops);
}
