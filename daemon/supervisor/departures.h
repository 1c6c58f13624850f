/* SPDX-License-Identifier: MIT */
/*
 * What workers were told and are to forget: forwards and whole tunnels. A departure is told, then
 * waits for the worker's acknowledgement, because the port stays taken as long as the worker has a
 * copy of a listening socket, or the server listens; then its sockets are parked for whoever wants
 * the same address, and closed by the next sweep. A worker that dies has let go of everything.
 */
#pragma once

#include "daemon/supervisor/listening.h"
#include "daemon/supervisor/workers.h"

struct departures {
	struct listen_service *listen; /* borrowed */
	struct list untold; /* struct departure the worker has not heard of */
	struct list leaving; /* struct departure it has yet to acknowledge */
	struct list gone; /* struct departure acknowledged, until its sockets are swept */
};

void departures_init(struct departures *ds, struct listen_service *listen);
void departures_fini(struct departures *ds);

/* forward 0: the tunnel itself. Takes listening over, which may be NULL. -1: no memory; then the
 * worker will not be told, and the sockets are free at once. */
int departures_add(struct departures *ds, struct worker *w, uint64_t tunnel, uint64_t forward,
		   struct listening *listening);

/* Tells a worker the next one; false: there is none. */
bool departures_tell_next(struct departures *ds);

/* The worker's acknowledgements; forward 0: the whole tunnel. What is not known is ignored. */
void departures_acknowledge(struct departures *ds, const struct worker *w, uint64_t tunnel,
			    uint64_t forward);
void departures_on_worker_dead(struct departures *ds, const struct worker *w);

/* Closes what nobody took; on_gone is called for each forward that has left by now. False: there is
 * more to close. */
bool departures_sweep(struct departures *ds, void (*on_gone)(void *data, uint64_t tunnel),
		      void *data);

/* Nothing is to be told or acknowledged. */
bool departures_are_over(const struct departures *ds);
