/* SPDX-License-Identifier: MIT */
#include "daemon/supervisor/workers.h"

#include <sched.h>
#include <stdlib.h>

#include "daemon/common/wire.h"
#include "daemon/supervisor/worker_process.h"
#include "lib/util.h"

#define AUTO_MAX 4
#define HANDSHAKES 8 /* unfinished ones to one server, over all workers */

struct workers {
	struct worker_house house;
	void (*on_all_gone)(void *data);
	struct list all; /* struct worker, by index */
	unsigned count, limit;
	struct loop_defer gone_defer;
	bool shutting_down;
};

static void tell_settings(struct workers *ws)
{
	struct worker *w;

	list_for_each (w, &ws->all, link)
		worker_tell_settings(w);
}

/* Each has its share of the handshakes. */
static void count_workers(struct workers *ws, int more)
{
	ws->count += (unsigned)more;
	ws->house.handshakes = MAX(1U, HANDSHAKES / MAX(1U, ws->count));
	tell_settings(ws);
}

static void on_forgotten(struct worker_house *house)
{
	struct workers *ws = list_entry(house, struct workers, house);

	count_workers(ws, -1);
	if (ws->shutting_down && ws->count == 0)
		loop_defer_schedule(&ws->gone_defer);
}

static unsigned auto_limit(void)
{
	cpu_set_t cpus;
	int count = sched_getaffinity(0, sizeof(cpus), &cpus) == 0 ? CPU_COUNT(&cpus) : 1;

	return (unsigned)MIN(MAX(count, 1), AUTO_MAX);
}

static void on_gone(void *data)
{
	struct workers *ws = data;

	ws->on_all_gone(ws->house.data);
}

struct workers *workers_new(struct loop *loop, struct children *children,
			    const struct worker_ops *ops, void (*on_all_gone)(void *data),
			    void *data, struct err *err)
{
	struct workers *ws = calloc(1, sizeof(*ws));

	if (!ws) {
		err_nomem(err);
		return NULL;
	}
	ws->house = (struct worker_house){ .loop = loop,
					   .children = children,
					   .ops = ops,
					   .data = data,
					   .log_level = LOG_INFO,
					   .on_forgotten = on_forgotten };
	ws->on_all_gone = on_all_gone;
	ws->limit = auto_limit();
	list_init(&ws->all);
	loop_defer_open(&ws->gone_defer, loop, on_gone, ws);
	ws->house.program = worker_process_find();
	if (!ws->house.program) {
		workers_free(ws);
		err_nomem(err);
		return NULL;
	}
	return ws;
}

void workers_free(struct workers *ws)
{
	struct worker *w;

	if (!ws)
		return;
	list_for_each (w, &ws->all, link)
		worker_forget(w);
	loop_defer_close(&ws->gone_defer);
	free(ws->house.program);
	free(ws);
}

void workers_set_limit(struct workers *ws, unsigned limit)
{
	ws->limit = limit ? limit : auto_limit();
}

void workers_set_log_level(struct workers *ws, enum log_level level)
{
	if (ws->house.log_level == level)
		return;
	ws->house.log_level = level;
	tell_settings(ws);
}

void workers_wake(struct workers *ws)
{
	struct worker *w;

	list_for_each (w, &ws->all, link) {
		if (worker_is_running(w))
			worker_send(w, wire_wake(), NULL, 0);
	}
}

/* The lowest free index, and the link after which it belongs. */
static unsigned free_index(struct workers *ws, struct list **ret_after)
{
	unsigned index = 1;
	struct worker *w;

	*ret_after = &ws->all;
	list_for_each (w, &ws->all, link) {
		if (w->index != index)
			break;
		*ret_after = &w->link;
		index++;
	}
	return index;
}

static struct worker *add_worker(struct workers *ws)
{
	struct list *after;
	struct worker *w = worker_new(&ws->house, free_index(ws, &after));

	if (!w)
		return NULL;
	list_insert_after(after, &w->link);
	count_workers(ws, 1);
	worker_start(w);
	return w;
}

struct worker *workers_place(struct workers *ws)
{
	struct worker *best = NULL, *w;
	unsigned staying = 0;

	list_for_each (w, &ws->all, link) {
		if (worker_is_leaving(w))
			continue;
		staying++;
		if (!best || w->tunnel_count < best->tunnel_count)
			best = w;
	}
	if (best && (best->tunnel_count == 0 || staying >= ws->limit))
		return best;
	w = add_worker(ws);
	return w ? w : best;
}

struct worker *workers_find_generation(const struct workers *ws, uint64_t generation)
{
	struct worker *w;

	list_for_each (w, &ws->all, link) {
		if (w->generation == generation && worker_is_running(w))
			return w;
	}
	return NULL;
}

const struct list *workers_all(const struct workers *ws)
{
	return &ws->all;
}

void workers_shut_down(struct workers *ws)
{
	struct worker *w;

	ws->shutting_down = true;
	if (ws->count == 0)
		loop_defer_schedule(&ws->gone_defer);
	list_for_each (w, &ws->all, link)
		worker_retire(w);
}

void workers_kill(struct workers *ws)
{
	struct worker *w;

	list_for_each (w, &ws->all, link)
		worker_kill(w);
}
