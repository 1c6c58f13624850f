/* SPDX-License-Identifier: MIT */
#include "daemon/supervisor/worker.h"

#include <signal.h>
#include <string.h>

#include "daemon/common/log.h"
#include "daemon/common/wire.h"
#include "daemon/supervisor/process.h"
#include "daemon/supervisor/worker_process.h"
#include "lib/util.h"

#define IDLE_TICKS_MAX 5 /* heartbeats without a tunnel until a worker is sent home */

static void perform(struct worker *w, enum worker_action action, const char *how);
static void feed(struct worker *w, enum worker_event event);

/* ---- what a worker says ---- */

static int handle_ready(struct worker *w, json_t *message, struct err *err)
{
	char version[32];

	if (wire_read_ready(message, version, sizeof(version), w->libssh, sizeof(w->libssh), err) <
	    0)
		return -1;
	if (strcmp(version, TUNNELD_VERSION) != 0)
		log_warning("worker %u is version %s, this is %s; restart tunneld after an upgrade",
			    w->index, version, TUNNELD_VERSION);
	feed(w, WORKER_EV_READY);
	return 0;
}

static int handle_pong(struct worker *w, json_t *message, struct err *err)
{
	struct wire_pong pong;

	if (wire_read_pong(message, &pong, err) < 0)
		return -1;
	if (pong.seq > w->ping_seq)
		return err_set(err, ERR_PROTOCOL, "an answer to a ping that was never sent");
	w->worst_stall_us = pong.worst_stall_us;
	worker_machine_pong(&w->machine, monotonic_ms());
	return 0;
}

static void give_up(struct worker *w, const struct err *err)
{
	w->broken = *err;
	feed(w, WORKER_EV_BROKEN);
}

static void on_message(void *data, const char *type, json_t *message, int *fds, size_t fd_count)
{
	struct worker *w = data;
	struct err err;
	int rc;

	if (!w->port)
		return;
	if (strcmp(type, "ready") == 0)
		rc = handle_ready(w, message, &err);
	else if (strcmp(type, "pong") == 0)
		rc = handle_pong(w, message, &err);
	else
		rc = w->house->ops->on_message(w->house->data, w, type, message, &err);
	if (rc < 0)
		give_up(w, &err);
}

static void on_close(void *data, const struct err *err)
{
	struct worker *w = data;

	if (err->code == ERR_LOST)
		feed(w, WORKER_EV_HUNG_UP);
	else
		give_up(w, err);
}

static const struct packet_ops port_ops = { .on_message = on_message, .on_close = on_close };

/* ---- the actions of the machine ---- */

static void close_port(struct worker *w)
{
	packet_port_free(TAKE(w->port));
}

static void on_exit_of(void *data, int wait_status);

static int open_process(struct worker *w, struct err *err)
{
	struct worker_process started;

	if (worker_process_spawn(w->house->program, &started, err) < 0)
		return -1;
	w->pid = started.pid;
	w->report = started.report;
	child_watch(w->house->children, &w->process, w->pid, on_exit_of, w);
	w->port = packet_port_new(w->house->loop, started.line, &port_ops, w, err);
	if (w->port)
		return 0;
	closep(&started.line); /* it ends by itself and is collected */
	return -1;
}

static void do_spawn(struct worker *w)
{
	struct err err;

	w->libssh[0] = '\0';
	err_clear(&w->broken);
	w->generation = ++w->house->generation;
	if (open_process(w, &err) == 0) {
		log_debug("worker %u: pid %d", w->index, (int)w->pid);
		return;
	}
	if (w->process.pid) {
		give_up(w, &err);
		return;
	}
	w->broken = err;
	feed(w, WORKER_EV_SPAWN_FAILED);
}

void worker_tell_settings(struct worker *w)
{
	struct wire_settings settings = { .level = w->house->log_level,
					  .handshakes = w->house->handshakes,
					  .generation = w->generation };

	worker_send(w, wire_settings(&settings), NULL, 0);
}

static void do_hand_over(struct worker *w)
{
	worker_tell_settings(w);
	w->house->ops->on_ready(w->house->data, w);
}

static void do_kill(struct worker *w)
{
	if (w->machine.was_hung)
		err_set(&w->broken, ERR_WORKER, "it did not answer for %d s",
			WORKER_SILENCE_MS / 1000);
	if (w->broken.code != ERR_NONE)
		log_error("worker %u (pid %d): %s; killing it", w->index, (int)w->pid,
			  w->broken.msg);
	close_port(w);
	child_signal(&w->process, SIGKILL);
}

/* One sentence about a death: who, how, and what comes next. */
static void describe_death(const struct worker *w, const char *how, struct err *ret)
{
	unsigned wait_ms = worker_machine_restart_in_ms(&w->machine, monotonic_ms());

	if (!how)
		err_set(ret, ERR_WORKER, "%s", w->broken.msg);
	else if (w->machine.was_hung)
		err_set(ret, ERR_WORKER, "worker %u (pid %d) did not answer for %d s and was ended",
			w->index, (int)w->pid, WORKER_SILENCE_MS / 1000);
	else if (w->broken.code == ERR_PROTOCOL)
		err_set(ret, ERR_WORKER, "worker %u (pid %d) spoke nonsense and was ended",
			w->index, (int)w->pid);
	else
		err_set(ret, ERR_WORKER, "worker %u (pid %d) %s", w->index, (int)w->pid, how);
	if (wait_ms)
		snprintf(ret->msg + strlen(ret->msg), sizeof(ret->msg) - strlen(ret->msg),
			 "; starting another in %u.%u s", wait_ms / 1000, wait_ms % 1000 / 100);
	else
		snprintf(ret->msg + strlen(ret->msg), sizeof(ret->msg) - strlen(ret->msg),
			 "; starting another");
}

static void do_mourn(struct worker *w, const char *how)
{
	describe_death(w, how, &w->death);
	log_error("%s", w->death.msg);
	close_port(w);
	w->house->ops->on_dead(w->house->data, w, &w->death);
}

static void worker_destroy(void *p)
{
	free(p);
}

static void do_forget(struct worker *w)
{
	struct worker_house *house = w->house;

	close_port(w);
	child_forget(&w->process);
	closep(&w->report);
	house->ops->on_dead(house->data, w, NULL);
	loop_timer_close(&w->timer);
	list_remove(&w->link);
	house->on_forgotten(house);
	loop_bury(house->loop, &w->grave, worker_destroy, w);
}

static void do_shut_down(struct worker *w)
{
	if (w->port)
		packet_send(w->port, wire_shutdown(), NULL, 0);
}

static void set_timer(struct worker *w)
{
	uint64_t now = monotonic_ms();
	uint64_t due = now + WORKER_PING_MS;

	if (w->machine.deadline_ms)
		due = MIN(due, MAX(w->machine.deadline_ms, now));
	loop_timer_set(&w->timer, (unsigned)(due - now));
}

static void perform(struct worker *w, enum worker_action action, const char *how)
{
	switch (action) {
	case WORKER_DO_NOTHING:
		break;
	case WORKER_DO_SPAWN:
		do_spawn(w);
		break;
	case WORKER_DO_HAND_OVER:
		do_hand_over(w);
		break;
	case WORKER_DO_LET_DIE:
		close_port(w);
		break;
	case WORKER_DO_KILL:
		do_kill(w);
		break;
	case WORKER_DO_MOURN:
		do_mourn(w, how);
		break;
	case WORKER_DO_SHUT_DOWN:
		do_shut_down(w);
		break;
	case WORKER_DO_FORGET:
		do_forget(w);
		return;
	}
	if (w->timer.loop)
		set_timer(w);
}

static void feed(struct worker *w, enum worker_event event)
{
	perform(w, worker_machine_input(&w->machine, event, monotonic_ms()), NULL);
}

/* ---- the clock and the end of processes ---- */

static void heartbeat(struct worker *w)
{
	if (w->machine.state != WORKER_RUNNING || !w->port)
		return;
	packet_send(w->port, wire_ping(++w->ping_seq), NULL, 0);
	w->idle_ticks = w->tunnel_count == 0 ? w->idle_ticks + 1 : 0;
	if (w->idle_ticks > IDLE_TICKS_MAX)
		feed(w, WORKER_EV_RETIRE);
}

static void on_timer(void *data)
{
	struct worker *w = data;

	perform(w, worker_machine_tick(&w->machine, monotonic_ms()), NULL);
	heartbeat(w);
}

static void on_exit_of(void *data, int wait_status)
{
	struct worker *w = data;
	bool was_run = process_was_run(&w->report, w->house->program, &w->broken) == 0;
	char how[96];

	if (!was_run)
		w->broken.code = ERR_WORKER;
	child_end_text(how, sizeof(how), wait_status);
	perform(w, worker_machine_input(&w->machine, WORKER_EV_EXITED, monotonic_ms()),
		was_run ? how : NULL);
}

/* ---- life ---- */

struct worker *worker_new(struct worker_house *house, unsigned index)
{
	struct worker *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->house = house;
	w->index = index;
	w->report = -1;
	list_init(&w->link);
	list_init(&w->tunnels);
	if (loop_timer_open(&w->timer, house->loop, on_timer, w) < 0) {
		free(w);
		return NULL;
	}
	return w;
}

void worker_start(struct worker *w)
{
	feed(w, WORKER_EV_START);
}

void worker_retire(struct worker *w)
{
	feed(w, WORKER_EV_RETIRE);
}

void worker_kill(struct worker *w)
{
	child_signal(&w->process, SIGKILL);
}

void worker_forget(struct worker *w)
{
	worker_kill(w);
	do_forget(w);
}

bool worker_is_running(const struct worker *w)
{
	return w->machine.state == WORKER_RUNNING && w->port;
}

bool worker_is_leaving(const struct worker *w)
{
	return w->machine.state == WORKER_RETIRING || w->machine.state == WORKER_GONE;
}

uint64_t worker_restart_at_ms(const struct worker *w)
{
	return w->machine.deadline_ms;
}

int worker_send(struct worker *w, json_t *message, const int *fds, size_t fd_count)
{
	if (!worker_is_running(w)) {
		json_decref(message);
		return -1;
	}
	return packet_send(w->port, message, fds, fd_count);
}
