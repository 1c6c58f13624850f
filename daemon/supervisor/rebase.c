/* SPDX-License-Identifier: MIT */
#include "daemon/supervisor/rebase.h"

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

int rebase(struct supervisor *s, struct tunnel *t, const struct config_tunnel *spec)
{
	struct list kept;
	struct forward *f;
	int rc = 0;

	list_init(&kept);
	for (size_t i = 0; i < spec->forward_count; i++) {
		f = take_equal(t, &spec->forwards[i]);
		if (!f)
			continue;
		f->spec = &spec->forwards[i];
		list_append(&kept, &f->link);
	}
	list_for_each (f, &t->forwards, link) {
		sync_give_up(&s->sync, f);
		forward_free(f);
	}
	t->spec = spec;
	for (size_t i = 0; i < spec->forward_count; i++) {
		f = list_first(&kept, struct forward, link);
		if (f && f->spec == &spec->forwards[i]) {
			list_remove(&f->link);
			list_append(&t->forwards, &f->link);
		} else if (!forward_new(t, &spec->forwards[i])) {
			rc = -1;
		}
	}
	return rc;
}
