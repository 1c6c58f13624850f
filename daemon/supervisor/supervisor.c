/* SPDX-License-Identifier: MIT */
#include "daemon/supervisor/supervisor.h"

#include <signal.h>
#include <stdlib.h>

#include "daemon/common/log.h"
#include "daemon/supervisor/commands.h"
#include "daemon/supervisor/reload.h"
#include "daemon/supervisor/reports.h"
#include "daemon/supervisor/systemd.h"
#include "daemon/supervisor/tunnel_log.h"
#include "lib/util.h"

#define NAME_THREADS 4
#define DISK_THREADS 3 /* one change at a time, a host key, and the search for who has a port */
#define LAST_RESORT_MS 3900 /* an end that takes longer is forced */

/* ---- the end ---- */

static void stop(struct supervisor *s)
{
	struct tunnel *t;

	if (s->is_stopping) {
		log_warning("told to stop again: killing the workers");
		workers_kill(s->workers);
		loop_quit(s->loop, 0);
		return;
	}
	s->is_stopping = true;
	log_info("stopping");
	systemd_stopping();
	control_close(&s->control);
	changes_fini(&s->changes); /* a reload under way must start nothing any more */
	leash_cut(s->source.leash); /* and what it has started ends */
	list_remove(&s->log_observer.link); /* that they all end now goes without saying */
	workers_shut_down(s->workers);
	/* Who connects now gets a refusal at once instead of a wait for nothing. */
	while ((t = tunnels_after(&s->tunnels, NULL)))
		sync_remove(&s->sync, t);
	loop_timer_set(&s->last_resort, LAST_RESORT_MS);
}

/* No worker and no command of theirs is left. */
static void end_when_alone(struct supervisor *s)
{
	if (s->is_stopping && s->are_workers_gone && s->commands.count == 0)
		loop_quit(s->loop, 0);
}

static void on_all_gone(void *data)
{
	struct supervisor *s = data;

	s->are_workers_gone = true;
	end_when_alone(s);
}

static void on_commands_over(void *data)
{
	end_when_alone(data);
}

static void on_last_resort(void *data)
{
	struct supervisor *s = data;

	log_warning("the workers, or commands of theirs, do not end; killing them");
	workers_kill(s->workers);
	loop_quit(s->loop, 0);
}

static void on_signal(void *data, int signo)
{
	struct supervisor *s = data;

	if (signo != SIGHUP)
		stop(s);
	else if (!s->is_stopping)
		reload_request(s, NULL);
}

/* ---- wiring ---- */

static void on_worker_ready(void *data, struct worker *w)
{
	struct supervisor *s = data;

	sync_on_worker_ready(&s->sync, w);
}

static void on_worker_dead(void *data, struct worker *w, const struct err *why)
{
	struct supervisor *s = data;

	sync_on_worker_dead(&s->sync, w, why);
	asks_on_worker_dead(&s->asks, w, why);
	questions_on_worker_dead(&s->questions, w);
	proxy_commands_on_worker_dead(&s->commands, w);
}

static int on_worker_message(void *data, struct worker *w, const char *type, json_t *message,
			     struct err *err)
{
	struct supervisor *s = data;

	if (host_keys_know(type))
		return host_keys_handle(&s->host_keys, w, type, message, err);
	if (asks_know(type))
		return asks_handle(&s->asks, w, type, message, err);
	if (questions_know(type))
		return questions_handle(&s->questions, w, type, message, err);
	if (proxy_commands_know(type))
		return proxy_commands_handle(&s->commands, w, type, message, err);
	return reports_handle(&s->sync, w, type, message, err);
}

static const struct worker_ops worker_ops = {
	.on_ready = on_worker_ready,
	.on_dead = on_worker_dead,
	.on_message = on_worker_message,
};

static void on_listening_change(void *data, void *owner)
{
	struct supervisor *s = data;

	sync_on_listening(&s->sync, owner);
}

/* Waits were chosen for another network. */
static void on_network_change(void *data)
{
	struct supervisor *s = data;

	workers_wake(s->workers);
}

/* The first time everything that can be bound is bound: from now on we can be used. */
static void on_settled(void *data)
{
	struct supervisor *s = data;
	struct err err;

	if (sync_is_in_force(&s->sync))
		changes_settled(&s->changes);
	if (s->is_published || s->is_stopping)
		return;
	s->is_published = true;
	if (control_publish(&s->control, &err) < 0) {
		log_error("%s", err.msg);
		loop_quit(s->loop, 1);
		return;
	}
	log_info("ready: %zu tunnel%s, control socket %s", s->tunnels.count,
		 s->tunnels.count == 1 ? "" : "s", s->place.path);
	status_tell(&s->status);
	systemd_ready();
}

static void on_watchdog(void *data)
{
	struct supervisor *s = data;

	systemd_feed_watchdog();
	loop_timer_set(&s->watchdog, systemd_watchdog_ms());
}

/* ---- life ---- */

int supervisor_add_tunnel(struct supervisor *s, const struct config_tunnel *spec)
{
	struct tunnel *t = tunnels_add(&s->tunnels, spec);

	if (!t)
		return -1;
	if (spec->start == START_ALWAYS)
		sync_want(&s->sync, t, true);
	return 0;
}

static int open_signals(struct supervisor *s)
{
	static const int numbers[] = { SIGTERM, SIGINT, SIGHUP };

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		if (loop_signal_open(&s->signals[i], s->loop, numbers[i], on_signal, s) < 0)
			return -1;
	}
	return 0;
}

static int open_timers(struct supervisor *s)
{
	if (loop_timer_open(&s->last_resort, s->loop, on_last_resort, s) < 0 ||
	    loop_timer_open(&s->watchdog, s->loop, on_watchdog, s) < 0)
		return -1;
	if (systemd_watchdog_ms() > 0)
		loop_timer_set(&s->watchdog, 0);
	return 0;
}

/* The parts, each standing on those before it. */
static int open_parts(struct supervisor *s, struct err *err)
{
	s->loop = loop_new(err);
	if (!s->loop)
		return -1;
	s->names = offload_new(s->loop, "tunneld/names", NAME_THREADS, err);
	s->disk = s->names ? offload_new(s->loop, "tunneld/disk", DISK_THREADS, err) : NULL;
	if (!s->disk || listen_service_init(&s->listen, s->loop, s->names, s->disk,
					    on_listening_change, s, err) < 0)
		return -1;
	sync_init(&s->sync, s->loop, &s->tunnels, &s->listen, on_settled, s);
	host_keys_init(&s->host_keys, s->disk, &s->tunnels);
	s->sync.unread = s->config->unread;
	if (changes_init(&s->changes, s) < 0 || asks_init(&s->asks, s->loop) < 0 ||
	    children_init(&s->children, s->loop) < 0 ||
	    questions_init(&s->questions, s->loop, &s->tunnels) < 0)
		return err_nomem(err);
	proxy_commands_init(&s->commands, s->loop, &s->children, &s->tunnels, on_commands_over, s);
	s->workers = workers_new(s->loop, &s->children, &worker_ops, on_all_gone, s, err);
	s->sync.workers = s->host_keys.workers = s->workers;
	if (!s->workers ||
	    control_open(&s->control, s->loop, &s->place, commands_dispatch, s, err) < 0)
		return -1;
	if (open_signals(s) < 0 || open_timers(s) < 0 ||
	    status_init(&s->status, s->loop, &s->tunnels) < 0 ||
	    network_open(&s->network, s->loop, on_network_change, s) < 0)
		return err_nomem(err);
	s->log_observer = (struct tunnels_observer){ .on_event = tunnel_log_event };
	tunnels_observe(&s->tunnels, &s->log_observer);
	return 0;
}

static int add_tunnels(struct supervisor *s, struct err *err)
{
	for (size_t i = 0; i < s->config->tunnel_count; i++) {
		if (supervisor_add_tunnel(s, s->config->tunnels[i]) < 0)
			return err_nomem(err);
	}
	return 0;
}

int supervisor_init(struct supervisor *s, const struct load_source *source,
		    const struct control_place *place, struct config *config, struct err *err)
{
	*s = (struct supervisor){ .place = *place, .config = config };
	s->started_ms = realtime_ms();
	tunnels_init(&s->tunnels);
	if (load_source_copy(&s->source, source) < 0)
		return err_nomem(err);
	if (open_parts(s, err) < 0)
		return -1;
	log_set_level(config->daemon.log_level);
	workers_set_log_level(s->workers, config->daemon.log_level);
	workers_set_limit(s->workers, config->daemon.workers);
	if (add_tunnels(s, err) < 0)
		return -1;
	sync_nudge(&s->sync); /* settles even when there is nothing to do */
	return 0;
}

int supervisor_run(struct supervisor *s)
{
	return loop_run(s->loop);
}

/* In the order in which the parts let go of each other. */
void supervisor_fini(struct supervisor *s)
{
	struct tunnel *t;

	if (s->loop) {
		control_close(&s->control);
		changes_fini(&s->changes);
		host_keys_fini(&s->host_keys);
		status_fini(&s->status);
		network_close(&s->network);
		workers_free(s->workers);
		proxy_commands_fini(&s->commands);
		while ((t = tunnels_after(&s->tunnels, NULL)))
			sync_remove(&s->sync, t);
		asks_fini(&s->asks);
		questions_fini(&s->questions);
		sync_fini(&s->sync);
		listen_service_fini(&s->listen);
		children_fini(&s->children);
		for (size_t i = 0; i < ARRAY_SIZE(s->signals); i++)
			loop_signal_close(&s->signals[i]);
		loop_timer_close(&s->watchdog);
		loop_timer_close(&s->last_resort);
		offload_free(s->names);
		offload_free(s->disk);
		loop_free(s->loop);
	}
	tunnels_fini(&s->tunnels);
	/* A change that was under way may still look at it; then it goes with the process. */
	if (!s->source.leash || leash_close(s->source.leash))
		config_free(s->config);
	load_source_fini(&s->source);
}
