/* SPDX-License-Identifier: MIT */
#include "daemon/supervisor/rebase.h"

#include <string.h>

#include "lib/config_diff.h"

/* The forward of t that is as spec says, taken out of its list. */
static struct forward *take_equal(struct tunnel *t, const struct config_forward *spec)
{
	struct forward *f;

	list_for_each (f, &t->forwards, link) {
		if (config_forward_equal(f->spec, spec)) {
			list_remove(&f->link);
			return f;
		}
	}
	return NULL;
}

/* A forward of the same name that leads elsewhere now still listens in the same place, also where the
 * server chose it. One of another name does not: nobody would look for it there. */
static void inherit_port(struct forward *to, const struct list *gone)
{
	const struct forward *f;

	list_for_each (f, gone, link) {
		if (f->bound_port && strcmp(f->spec->name, to->spec->name) == 0 &&
		    config_end_equal(&f->spec->listen, &to->spec->listen))
			to->bound_port = f->bound_port;
	}
}

int rebase(struct supervisor *s, struct tunnel *t, const struct config_tunnel *spec)
{
	struct list kept, gone;
	struct forward *f;
	int rc = 0;

	list_init(&kept);
	list_init(&gone);
	for (size_t i = 0; i < spec->forward_count; i++) {
		f = take_equal(t, &spec->forwards[i]);
		if (!f)
			continue;
		f->spec = &spec->forwards[i];
		list_append(&kept, &f->link);
	}
	list_for_each (f, &t->forwards, link) {
		sync_give_up(&s->sync, f);
		list_remove(&f->link);
		list_append(&gone, &f->link);
	}
	t->spec = spec;
	for (size_t i = 0; i < spec->forward_count; i++) {
		f = list_first(&kept, struct forward, link);
		if (f && f->spec == &spec->forwards[i]) {
			list_remove(&f->link);
			list_append(&t->forwards, &f->link);
			continue;
		}
		f = forward_new(t, &spec->forwards[i]);
		if (f)
			inherit_port(f, &gone);
		else
			rc = -1;
	}
	list_for_each (f, &gone, link)
		forward_free(f);
	return rc;
}
