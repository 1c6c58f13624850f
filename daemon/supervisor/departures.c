/* SPDX-License-Identifier: MIT */
#include "daemon/supervisor/departures.h"

#include <stdlib.h>

#include "daemon/common/wire.h"
#include "lib/util.h"

struct departure {
	struct list link; /* departures.untold, then .leaving, then .gone */
	struct worker *worker;
	uint64_t tunnel, forward;
	struct listener **sockets; /* owned */
	size_t count;
};

void departures_init(struct departures *ds, struct listen_service *listen)
{
	ds->listen = listen;
	list_init(&ds->untold);
	list_init(&ds->leaving);
	list_init(&ds->gone);
}

static void departure_free(struct departure *d)
{
	list_remove(&d->link);
	free(d->sockets);
	free(d);
}

static void forget(struct list *departures)
{
	struct departure *d;

	list_for_each (d, departures, link)
		departure_free(d);
}

void departures_fini(struct departures *ds)
{
	forget(&ds->untold);
	forget(&ds->leaving);
	forget(&ds->gone);
}

static void move(struct departure *d, struct list *to)
{
	list_remove(&d->link);
	list_append(to, &d->link);
}

static void let_go(struct departures *ds, struct departure *d)
{
	listen_service_release(ds->listen, d->sockets, d->count);
	move(d, &ds->gone);
}

int departures_add(struct departures *ds, struct worker *w, uint64_t tunnel, uint64_t forward,
		   struct listening *listening)
{
	struct departure *d = calloc(1, sizeof(*d));

	if (!d) {
		listening_close(listening);
		return -1;
	}
	*d = (struct departure){ .worker = w, .tunnel = tunnel, .forward = forward };
	if (listening)
		d->sockets = listening_detach(listening, &d->count);
	list_append(&ds->untold, &d->link);
	return 0;
}

bool departures_tell_next(struct departures *ds)
{
	struct departure *d = list_first(&ds->untold, struct departure, link);
	json_t *message;

	if (!d)
		return false;
	message = d->forward ? wire_about_forward("forward-remove", d->tunnel, d->forward)
			     : wire_about("tunnel-remove", d->tunnel);
	move(d, &ds->leaving);
	if (worker_send(d->worker, message, NULL, 0) < 0)
		let_go(ds, d);
	return true;
}

void departures_acknowledge(struct departures *ds, const struct worker *w, uint64_t tunnel,
			    uint64_t forward)
{
	struct departure *d;

	list_for_each (d, &ds->leaving, link) {
		if (d->worker == w && d->tunnel == tunnel && (!forward || d->forward == forward))
			let_go(ds, d);
	}
}

static void let_all_go(struct departures *ds, struct list *departures, const struct worker *w)
{
	struct departure *d;

	list_for_each (d, departures, link) {
		if (d->worker == w)
			let_go(ds, d);
	}
}

void departures_on_worker_dead(struct departures *ds, const struct worker *w)
{
	let_all_go(ds, &ds->untold, w);
	let_all_go(ds, &ds->leaving, w);
}

bool departures_sweep(struct departures *ds, void (*on_gone)(void *data, uint64_t tunnel),
		      void *data)
{
	struct departure *d;

	if (!listen_service_sweep(ds->listen))
		return false;
	list_for_each (d, &ds->gone, link) {
		if (d->forward)
			on_gone(data, d->tunnel);
		departure_free(d);
	}
	return true;
}

bool departures_are_over(const struct departures *ds)
{
	return list_is_empty(&ds->untold) && list_is_empty(&ds->leaving);
}
