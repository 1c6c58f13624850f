/* SPDX-License-Identifier: MIT */
#include "daemon/supervisor/reload.h"

#include <stdlib.h>

#include "daemon/common/log.h"
#include "daemon/supervisor/commands.h"
#include "daemon/supervisor/rebase.h"
#include "daemon/supervisor/servers.h"
#include "daemon/supervisor/snapshot.h"
#include "daemon/supervisor/systemd.h"
#include "lib/config_diff.h"
#include "lib/util.h"

struct reload {
	struct load_source source;
	struct loaded loaded;
};

static void reload_free(void *data)
{
	struct reload *r = data;

	load_source_fini(&r->source);
	loaded_fini(&r->loaded);
	free(r);
}

static struct reload *reload_new(const struct load_source *source)
{
	struct reload *r = calloc(1, sizeof(*r));

	if (r && load_source_copy(&r->source, source) < 0) {
		free(r);
		return NULL;
	}
	return r;
}

/* ---- applying ---- */

/* Another server has never listened for us. */
static void forget_ports(struct tunnel *t)
{
	struct forward *f;

	list_for_each (f, &t->forwards, link)
		f->bound_port = f->said_port = 0;
}

static void apply_change(struct supervisor *s, const struct tunnel_change *c)
{
	struct tunnel *t = tunnels_find(&s->tunnels, c->from->name);

	if (!t)
		return;
	if (rebase(s, t, c->to) < 0)
		log_error("%s: out of memory while reloading", t->name);
	if (c->reconnect) {
		forget_ports(t);
		servers_forget(t);
		shown_keys_fini(&t->shown_keys);
	}
	if (c->reconnect || c->upkeep)
		t->spec_told = false;
	t->reconnect |= c->reconnect;
	/* New settings are what a tunnel that waits or has failed was waiting for. */
	t->kick |= c->reconnect && t->wanted && !tunnel_state_is_connected(t->state);
	if (c->from->start != c->to->start && c->to->start == START_ALWAYS)
		sync_want(&s->sync, t, true);
	sync_tunnel(&s->sync, t);
	tunnel_touch(t);
}

static void apply_one(struct supervisor *s, const struct tunnel_change *c)
{
	struct tunnel *t;

	switch (c->kind) {
	case CONFIG_REMOVED:
		t = tunnels_find(&s->tunnels, c->from->name);
		if (t)
			sync_remove(&s->sync, t);
		break;
	case CONFIG_CHANGED:
		apply_change(s, c);
		break;
	case CONFIG_ADDED:
		if (supervisor_add_tunnel(s, c->to) < 0)
			log_error("%s: out of memory while reloading", c->to->name);
		break;
	}
}

/* Everybody else only has to let go of the old configuration. */
static void rebase_unchanged(struct supervisor *s, const struct config *config)
{
	for (size_t i = 0; i < s->tunnels.count; i++) {
		struct tunnel *t = s->tunnels.by_name[i];
		const struct config_tunnel *spec = config_find(config, t->name);

		if (spec && t->spec != spec && rebase(s, t, spec) < 0)
			log_error("%s: out of memory while reloading", t->name);
	}
}

static void apply_daemon(struct supervisor *s, const struct daemon_settings *settings,
			 struct strv *warnings)
{
	if (settings->workers != s->config->daemon.workers)
		strv_add(warnings, "the new number of workers counts for tunnels that are added; "
				   "restart tunneld to spread the others");
	log_set_level(settings->log_level);
	workers_set_log_level(s->workers, settings->log_level);
	workers_set_limit(s->workers, settings->workers);
}

static void apply(struct supervisor *s, struct reload *r, const struct config_diff *diff)
{
	apply_daemon(s, &r->loaded.config->daemon, &r->loaded.warnings);
	for (size_t i = 0; i < diff->count; i++)
		apply_one(s, &diff->items[i]);
	rebase_unchanged(s, r->loaded.config);
	s->sync.unread = r->loaded.config->unread;
	config_free(s->config);
	s->config = TAKE(r->loaded.config);
}

/* ---- reporting ---- */

static json_t *names_of(const struct config_diff *diff, enum config_change kind, size_t *ret_count)
{
	json_t *array = json_array();

	*ret_count = 0;
	for (size_t i = 0; i < diff->count; i++) {
		const struct tunnel_change *c = &diff->items[i];

		if (c->kind != kind)
			continue;
		json_array_append_new(array, json_string((c->to ? c->to : c->from)->name));
		++*ret_count;
	}
	return array;
}

static void report_failure(struct change *c, const struct reload *r)
{
	const struct config_problems *problems = &r->loaded.problems;

	for (size_t i = 0; i < problems->count; i++) {
		CLEANUP(freep) char *text = config_problem_text(&problems->items[i]);

		log_error("reload: %s", text ? text : "out of memory");
	}
	log_error("reload: nothing was changed");
	change_error(c, commands_error_name(ERR_CONFIG), commands_problems(problems));
}

static void report_internal(struct change *c, const struct err *err)
{
	log_error("reload: %s; nothing was changed", err->msg);
	change_error(c, commands_error_name(err->code), commands_error_parameters(err, NULL));
}

/* Called before apply(): the names belong to both configurations. */
static json_t *begin_report(const struct supervisor *s, const struct config_diff *diff)
{
	size_t added, removed, changed;
	json_t *a = names_of(diff, CONFIG_ADDED, &added);
	json_t *r = names_of(diff, CONFIG_REMOVED, &removed);
	json_t *c = names_of(diff, CONFIG_CHANGED, &changed);

	log_info("reloaded %s: %zu added, %zu removed, %zu changed, %zu unchanged",
		 s->source.config, added, removed, changed, diff->unchanged);
	return json_pack("{s:o, s:o, s:o, s:I}", "added", a, "removed", r, "changed", c,
			 "unchanged", (json_int_t)diff->unchanged);
}

static void succeed(struct supervisor *s, struct change *c, struct reload *r,
		    const struct config_diff *diff)
{
	json_t *report;

	load_log_notes(r->loaded.config, s->config);
	report = begin_report(s, diff);
	apply(s, r, diff);
	for (size_t i = 0; i < r->loaded.warnings.count; i++)
		log_warning("reload: %s", r->loaded.warnings.items[i]);
	if (report)
		json_object_set_new(report, "warnings", snapshot_strings(&r->loaded.warnings));
	change_reply(c, report);
}

/* ---- the change ---- */

static bool begin(struct supervisor *s, struct change *c)
{
	systemd_reloading();
	return true;
}

static void work(struct change *c)
{
	struct reload *r = c->data;

	load(&r->source, &r->loaded);
}

static void finish(struct supervisor *s, struct change *c)
{
	struct reload *r = c->data;
	struct config_diff diff;
	struct err err;

	if (!r->loaded.config) {
		report_failure(c, r);
	} else if (config_diff(s->config, r->loaded.config, &diff, &err) < 0) {
		report_internal(c, &err);
	} else {
		succeed(s, c, r, &diff);
		config_diff_fini(&diff);
	}
	if (s->is_published) /* else on_settled() will say so */
		systemd_ready();
}

static const struct change_ops reload_ops = {
	.name = "reload", .begin = begin, .work = work, .finish = finish, .free = reload_free
};

void reload_request(struct supervisor *s, struct call *call)
{
	struct change *waiting = changes_find_waiting(&s->changes, &reload_ops);
	struct reload *r;
	struct err err;

	if (waiting && change_join(waiting, call) == 0)
		return;
	r = reload_new(&s->source);
	if (r && changes_add(&s->changes, &reload_ops, r, call) == 0)
		return;
	log_error("out of memory: nothing was reloaded");
	err_nomem(&err);
	if (call)
		commands_fail(call, &err, NULL);
}
