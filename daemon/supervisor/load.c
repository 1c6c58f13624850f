/* SPDX-License-Identifier: MIT */
#include "daemon/supervisor/load.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/common/log.h"
#include "daemon/supervisor/state_dir.h"

int load_source_copy(struct load_source *to, const struct load_source *from)
{
	*to = (struct load_source){ .optional = from->optional,
				    .system = from->system,
				    .leash = from->leash };
	to->config = strdup(from->config);
	to->state_dir = strdup(from->state_dir);
	to->home = strdup(from->home);
	to->user = strdup(from->user);
	if (to->config && to->state_dir && to->home && to->user)
		return 0;
	load_source_fini(to);
	return -1;
}

void load_source_fini(struct load_source *source)
{
	free(source->config);
	free(source->state_dir);
	free(source->home);
	free(source->user);
	*source = (struct load_source){ 0 };
}

/* Best effort: it is memory that ran out. */
static void add_problem(struct config_problems *problems, const struct err *err)
{
	problems->items = calloc(1, sizeof(*problems->items));
	if (!problems->items)
		return;
	problems->items[0].message = strdup(err->msg);
	problems->count = problems->items[0].message ? 1 : 0;
}

struct config_context load_context(const struct load_source *source)
{
	return (struct config_context){ .system = source->system,
					.home = source->home,
					.user = source->user,
					.capture = capture_run,
					.has_leash = source->leash != NULL,
					.leash_fd = source->leash ? source->leash->fd : -1 };
}

void load(const struct load_source *source, struct loaded *ret)
{
	struct config_context context = load_context(source);
	struct err err;

	*ret = (struct loaded){ 0 };
	ret->is_missing = source->optional && access(source->config, F_OK) < 0 && errno == ENOENT;
	ret->config =
		config_load(ret->is_missing ? NULL : source->config, &context, &ret->problems);
	if (ret->config &&
	    state_dir_load(source->state_dir, ret->config, &ret->warnings, &err) < 0) {
		loaded_fini(ret);
		add_problem(&ret->problems, &err);
	}
}

void loaded_fini(struct loaded *loaded)
{
	config_free(TAKE(loaded->config));
	config_problems_fini(&loaded->problems);
	strv_fini(&loaded->warnings);
}

void load_log_notes(const struct config *config, const struct config *before)
{
	const struct strv *notes = &config->notes;
	const char *unread = config->unread;

	if (unread && !(before && streq(unread, before->unread)))
		log_info("ssh is not installed, so %s was not read", unread);
	if (notes->count == 0 || (before && strv_equal(notes, &before->notes)))
		return;
	if (notes->count == 1)
		log_info("ssh's configuration: %s", notes->items[0]);
	else
		log_info("ssh's configuration has %zu settings that mean nothing here; the first: "
			 "%s; 'tunneld --check' lists all",
			 notes->count, notes->items[0]);
}

void load_summarize(const struct config_problems *problems, struct err *ret)
{
	CLEANUP(freep)
	char *first = problems->count > 0 ? config_problem_text(&problems->items[0]) : NULL;

	if (!first)
		err_nomem(ret);
	else if (problems->count == 1)
		err_set(ret, ERR_CONFIG, "%s", first);
	else
		err_set(ret, ERR_CONFIG, "%zu problems; the first: %s", problems->count, first);
}
