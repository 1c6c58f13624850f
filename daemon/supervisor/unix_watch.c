/* SPDX-License-Identifier: MIT */
#include "daemon/supervisor/unix_watch.h"

#include "lib/util.h"

#define LOOK_MS 2000 /* at each file */
#define LOOK_SLICE_US 2000 /* spent in one go; to look takes a few, to make anew some hundred */
#define LOOK_PAUSE_MS 50 /* between two */

static void look(struct unix_watch *u, struct unix_watched *w, uint64_t now)
{
	list_remove(&w->link);
	w->looked_ms = now;
	if (unix_socket_is_lost(w->path, w->file))
		u->on_lost(w);
	else
		list_append(&u->files, &w->link);
}

/* The one that was not looked at for the longest time; NULL: there is none. */
static struct unix_watched *next_file(const struct unix_watch *u, uint64_t *ret_wait_ms,
				      uint64_t now)
{
	struct unix_watched *w = list_first(&u->files, struct unix_watched, link);

	*ret_wait_ms = w && w->looked_ms + LOOK_MS > now ? w->looked_ms + LOOK_MS - now : 0;
	return w;
}

static void on_look(void *data)
{
	struct unix_watch *u = data;
	uint64_t now = monotonic_ms(), until_us = monotonic_us() + LOOK_SLICE_US, wait_ms;
	struct unix_watched *w = next_file(u, &wait_ms, now);

	while (w && wait_ms == 0 && monotonic_us() < until_us) {
		look(u, w, now);
		w = next_file(u, &wait_ms, now);
	}
	if (w)
		loop_timer_set(&u->look, (unsigned)MAX(wait_ms, (uint64_t)LOOK_PAUSE_MS));
}

int unix_watch_open(struct unix_watch *u, struct loop *loop,
		    void (*on_lost)(struct unix_watched *w))
{
	*u = (struct unix_watch){ .on_lost = on_lost };
	list_init(&u->files);
	return loop_timer_open(&u->look, loop, on_look, u);
}

void unix_watch_close(struct unix_watch *u)
{
	loop_timer_close(&u->look);
}

void unix_watched_init(struct unix_watched *w)
{
	*w = (struct unix_watched){ 0 };
	list_init(&w->link);
}

void unix_watch_add(struct unix_watch *u, struct unix_watched *w, const char *path,
		    const struct unix_file *file)
{
	list_remove(&w->link);
	w->path = path;
	w->file = file;
	w->looked_ms = monotonic_ms();
	list_append(&u->files, &w->link);
	if (!loop_timer_is_set(&u->look))
		loop_timer_set(&u->look, LOOK_MS);
}

void unix_watch_remove(struct unix_watched *w)
{
	list_remove(&w->link);
}
