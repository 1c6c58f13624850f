/* SPDX-License-Identifier: MIT */
/*
 * The daemon as a whole: one struct that owns all parts and says in which order they come to life
 * and end. The parts know each other only as far as their headers say; what one reports and another
 * has to hear of is wired here.
 */
#pragma once

#include "daemon/common/loop.h"
#include "daemon/common/offload.h"
#include "daemon/supervisor/asks.h"
#include "daemon/supervisor/changes.h"
#include "daemon/supervisor/children.h"
#include "daemon/supervisor/control.h"
#include "daemon/supervisor/host_keys.h"
#include "daemon/supervisor/listening.h"
#include "daemon/supervisor/load.h"
#include "daemon/supervisor/network.h"
#include "daemon/supervisor/proxy_commands.h"
#include "daemon/supervisor/questions.h"
#include "daemon/supervisor/status.h"
#include "daemon/supervisor/sync.h"
#include "daemon/supervisor/tunnels.h"
#include "daemon/supervisor/workers.h"

struct supervisor {
	struct load_source source;
	struct control_place place; /* of the control socket */
	uint64_t started_ms; /* wall clock */

	struct loop *loop;
	struct offload *names, *disk;
	struct config *config; /* the running one */
	struct tunnels tunnels;
	struct listen_service listen;
	struct sync sync;
	struct children children;
	struct workers *workers;
	struct changes changes;
	struct host_keys host_keys;
	struct asks asks; /* what commands wait for workers to answer */
	struct questions questions; /* of workers, to people */
	struct proxy_commands commands; /* that run for workers */
	struct control control;
	struct status status;
	struct network network;
	struct tunnels_observer log_observer;
	struct loop_signal signals[3];
	struct loop_timer watchdog, last_resort;
	bool is_published, is_stopping, are_workers_gone;
};

/* Takes config over, even on failure; source is copied, what place points to is borrowed. */
int supervisor_init(struct supervisor *s, const struct load_source *source,
		    const struct control_place *place, struct config *config, struct err *err);
int supervisor_run(struct supervisor *s); /* until it is told to stop; the exit status */
void supervisor_fini(struct supervisor *s);

/* Registers a tunnel of the running configuration, and starts it if it is to run. -1: no memory. */
int supervisor_add_tunnel(struct supervisor *s, const struct config_tunnel *spec);
