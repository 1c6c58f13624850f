/* SPDX-License-Identifier: MIT */
#include "daemon/supervisor/listening.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/common/log.h"
#include "daemon/supervisor/listen_lookup.h"
#include "daemon/supervisor/listen_set.h"
#include "lib/util.h"

/* A port that becomes free is taken within RETRY_MS + TICK_MS. */
#define TICK_MS 250
#define RETRY_MS 1000
#define ASK_AGAIN_MS 5000 /* who has a port is looked up not more often than that */
#define PENDING_MAX_MS 1000 /* a name that takes longer to resolve counts as failed meanwhile */

struct listening {
	struct list link; /* listen_service.unbound while not bound */
	struct listen_service *service;
	const char *holder;
	char *host; /* or the path of a Unix socket */
	uint16_t port, port_count;
	char *group; /* NULL: none was asked for */
	struct unix_rights rights; /* of a Unix socket */
	void *owner; /* NULL while listening_open() runs */

	enum listening_state state;
	struct err error;
	uint64_t opened_ms, next_try_ms;
	struct unix_watched watched; /* its file, while it is a bound Unix socket */

	struct offload_job *looking; /* NULL: not now */
	bool must_look, has_looked; /* up a name or a group */
	struct listen_set set; /* what it wants, and has */
	bool is_unfinished; /* goes on with the next turn */
	struct port_question question; /* who has the address that is busy */
	uint64_t asked_ms;
};

static void try_bind(struct listening *l);

static void watch_file(struct listening *l)
{
	struct listener **sockets = l->set.sockets;

	if (l->set.count == 1 && sockets[0] && address_is_unix(&sockets[0]->address))
		unix_watch_add(&l->service->files, &l->watched, l->host, &sockets[0]->file);
}

/* The only writer of l->state. */
static void set_state(struct listening *l, enum listening_state state, const struct err *error)
{
	bool same = l->state == state && (!error || strcmp(error->msg, l->error.msg) == 0);

	l->service->pending -= l->state == LISTENING_PENDING;
	l->service->pending += state == LISTENING_PENDING;
	l->state = state;
	if (error)
		l->error = *error;
	else
		err_clear(&l->error);
	if (state == LISTENING_BOUND) {
		list_remove(&l->link);
		watch_file(l);
	} else if (!loop_timer_is_set(&l->service->retry)) {
		loop_timer_set(&l->service->retry, TICK_MS);
	}
	if (!same && l->owner)
		l->service->on_change(l->service->data, l->owner);
}

static void fail(struct listening *l, const struct err *error)
{
	listen_set_drop(&l->set);
	l->next_try_ms = monotonic_ms() + RETRY_MS;
	set_state(l, LISTENING_FAILED, error);
}

/* ---- what is wanted ---- */

static void fail_nomem(struct listening *l)
{
	struct err err;

	err_nomem(&err);
	fail(l, &err);
}

static int want(struct listening *l, const struct address *hosts, size_t count)
{
	return listen_set_want(&l->set, hosts, count, l->port, l->port_count);
}

static void on_looked_up(void *asker, const struct listen_answer *answer)
{
	struct listening *l = asker;

	l->looking = NULL;
	l->rights.gid = answer->gid;
	l->has_looked = answer->err.code == ERR_NONE;
	if (!l->has_looked)
		fail(l, &answer->err);
	else if (answer->count > 0 && want(l, answer->addresses, answer->count) < 0)
		fail_nomem(l);
	else
		try_bind(l);
}

static void look_up(struct listening *l)
{
	l->looking = listen_lookup(l->service->names, l->group ? NULL : l->host, l->group,
				   on_looked_up, l);
	if (!l->looking)
		fail_nomem(l);
}

/* -1: out of memory. A path that is too long was refused with the configuration. */
static int decide_wanted(struct listening *l, const struct config_forward *spec)
{
	struct address hosts[LISTEN_ADDRESSES_MAX];
	size_t count = 1;

	if (spec->listen.kind == END_UNIX)
		address_of_path(&hosts[0], l->host);
	else
		count = address_of_listen(hosts, l->host, l->port, &l->set.is_lenient);
	l->must_look = count == 0 || l->group;
	l->set.is_lenient |= count == 0;
	return count > 0 ? want(l, hosts, count) : 0;
}

/* ---- binding ---- */

/* Who it was when it was last looked up is good enough for a while. */
static void ask_owner(struct listening *l, size_t busy)
{
	uint64_t now = monotonic_ms();
	bool is_known = l->state == LISTENING_FAILED && l->error.code == ERR_PORT_IN_USE &&
			l->set.first == busy && now - l->asked_ms < ASK_AGAIN_MS;

	listen_set_drop(&l->set);
	l->set.first = busy;
	l->next_try_ms = now + RETRY_MS;
	if (is_known || port_question_is_open(&l->question))
		return;
	l->asked_ms = now;
	port_search_ask(&l->service->search, &l->question, &l->set.wanted[busy]);
}

static void on_owner(struct port_question *q, const struct err *why)
{
	struct listening *l = list_entry(q, struct listening, question);

	set_state(l, LISTENING_FAILED, why);
}

/* 0: it has all it can have, 1: not yet, -1: it cannot (then everything is dropped again and the reason on
 * its way). */
static int take_all(struct listening *l, struct err *err)
{
	size_t at = 0;
	enum listen_take taken =
		listen_set_take(&l->set, &l->service->sockets, &l->rights, l->holder, &at, err);

	l->is_unfinished = taken == LISTEN_TAKE_MORE;
	switch (taken) {
	case LISTEN_TAKE_ALL:
		return 0;
	case LISTEN_TAKE_MORE:
		loop_defer_schedule(&l->service->more);
		return 1;
	case LISTEN_TAKE_LEAVING:
		return 1;
	case LISTEN_TAKE_BUSY:
		ask_owner(l, at);
		return -1;
	case LISTEN_TAKE_FAILED:
		break;
	}
	fail(l, err);
	l->set.first = at;
	return -1;
}

static void try_bind(struct listening *l)
{
	struct err err = { 0 };
	int rc = take_all(l, &err);

	if (rc < 0)
		return;
	port_question_forget(&l->question);
	if (rc > 0) {
		set_state(l, LISTENING_PENDING, NULL);
	} else if (listen_set_has_sockets(&l->set)) {
		listen_set_compact(&l->set);
		set_state(l, LISTENING_BOUND, NULL);
	} else {
		fail(l, &err);
	}
}

static void try_again(struct listening *l)
{
	if (l->looking)
		return;
	if (l->must_look &&
	    (!l->has_looked || (l->state == LISTENING_FAILED && l->error.code != ERR_PORT_IN_USE)))
		look_up(l);
	else
		try_bind(l);
}

/* Whoever waits for a socket of ours takes it, if it was released. */
static void hand_on(struct listen_service *s)
{
	struct listening *l;

	if (!s->has_released)
		return;
	s->has_released = false;
	list_for_each (l, &s->unbound, link)
		try_again(l);
}

static void on_recheck(void *data)
{
	hand_on(data);
}

/* One of them a turn. */
static void on_more(void *data)
{
	struct listen_service *s = data;
	struct listening *l;

	list_for_each (l, &s->unbound, link) {
		if (!l->is_unfinished)
			continue;
		try_bind(l);
		loop_defer_schedule(&s->more); /* for the next one */
		return;
	}
}

static void explain_looking(const struct listening *l, struct err *ret)
{
	if (l->group)
		err_set(ret, ERR_BIND,
			"cannot listen on %s: nobody has said yet who the group "
			"'%s' is",
			l->host, l->group);
	else
		err_set(ret, ERR_RESOLVE, "cannot listen on '%s': no name server has answered yet",
			l->host);
}

static void tick(struct listening *l, uint64_t now)
{
	struct err err;

	if (l->state == LISTENING_PENDING && l->looking && now - l->opened_ms > PENDING_MAX_MS) {
		explain_looking(l, &err);
		set_state(l, LISTENING_FAILED, &err);
	} else if (now >= l->next_try_ms) {
		l->next_try_ms = now + RETRY_MS;
		try_again(l);
	}
}

static void on_retry(void *data)
{
	struct listen_service *s = data;
	uint64_t now = monotonic_ms();
	struct listening *l;

	list_for_each (l, &s->unbound, link)
		tick(l, now);
	if (!list_is_empty(&s->unbound))
		loop_timer_set(&s->retry, TICK_MS);
}

/* ---- files ---- */

/* The socket that nobody can find any more is closed, and its worker gets the next one. Connections are not
 * concerned. */
static void on_lost(struct unix_watched *w)
{
	struct listening *l = list_entry(w, struct listening, watched);

	list_append(&l->service->unbound, &l->link);
	listen_set_drop(&l->set);
	set_state(l, LISTENING_PENDING, NULL);
	try_bind(l);
	if (l->state == LISTENING_BOUND)
		log_warning("%s: somebody removed %s; it was made anew", l->holder, l->host);
	else
		log_warning("%s: somebody removed %s, and it cannot be made anew: %s", l->holder,
			    l->host, l->error.msg);
}

/* ---- claims ---- */

static void listening_free(struct listening *l)
{
	l->service->pending -= l->state == LISTENING_PENDING;
	list_remove(&l->link);
	unix_watch_remove(&l->watched);
	offload_cancel(l->looking);
	port_question_forget(&l->question);
	listen_set_fini(&l->set);
	free(l->host);
	free(l->group);
	free(l);
}

static struct listening *listening_new(struct listen_service *s, const char *holder,
				       const struct config_forward *spec)
{
	struct listening *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	*l = (struct listening){ .service = s,
				 .holder = holder,
				 .port = spec->listen.port,
				 .port_count = MAX(spec->port_count, 1) };
	l->opened_ms = monotonic_ms();
	list_init(&l->link);
	unix_watched_init(&l->watched);
	port_question_init(&l->question);
	s->pending++;
	l->host = strdup(spec->listen.host);
	l->group = spec->socket_group ? strdup(spec->socket_group) : NULL;
	l->rights = (struct unix_rights){ .mode = spec->socket_mode, .group = l->group };
	if (l->host && !l->group == !spec->socket_group)
		return l;
	listening_free(l);
	return NULL;
}

struct listening *listening_open(struct listen_service *s, const char *holder,
				 const struct config_forward *spec, void *owner)
{
	struct listening *l = listening_new(s, holder, spec);

	if (!l)
		return NULL;
	if (decide_wanted(l, spec) < 0) {
		listening_free(l);
		return NULL;
	}
	list_append(&s->unbound, &l->link);
	set_state(l, LISTENING_PENDING, NULL);
	if (l->must_look)
		look_up(l);
	else
		try_bind(l);
	l->owner = owner;
	return l;
}

void listening_close(struct listening *l)
{
	CLEANUP(freep) struct listener **sockets = NULL;
	struct listen_service *s;
	size_t count;

	if (!l)
		return;
	s = l->service;
	sockets = listening_detach(l, &count);
	listen_service_release(s, sockets, count);
}

struct listener **listening_detach(struct listening *l, size_t *ret_count)
{
	struct listener **sockets;
	size_t count;

	listen_set_compact(&l->set);
	count = l->set.count;
	sockets = TAKE(l->set.sockets);
	for (size_t i = 0; i < count; i++)
		listener_leave(sockets[i]);
	listening_free(l);
	*ret_count = count;
	return sockets;
}

void listen_service_release(struct listen_service *s, struct listener *const *sockets, size_t count)
{
	for (size_t i = 0; i < count; i++)
		listener_park(&s->sockets, sockets[i]);
	if (count == 0 || list_is_empty(&s->unbound))
		return;
	s->has_released = true;
	loop_defer_schedule(&s->recheck);
}

/* It may come in the same turn as a release, and before the recheck. */
bool listen_service_sweep(struct listen_service *s)
{
	hand_on(s);
	return listeners_sweep(&s->sockets);
}

enum listening_state listening_state(const struct listening *l)
{
	return l->state;
}

const struct err *listening_error(const struct listening *l)
{
	return &l->error;
}

struct listener *const *listening_sockets(const struct listening *l, size_t *ret_count)
{
	*ret_count = l->state == LISTENING_BOUND ? l->set.count : 0;
	return l->set.sockets;
}

bool listening_has_waiting(const struct listening *l)
{
	size_t count;
	struct listener *const *sockets = listening_sockets(l, &count);

	return listen_set_has_waiting(sockets, count);
}

int listen_service_init(struct listen_service *s, struct loop *loop, struct offload *names,
			struct offload *disk, void (*on_change)(void *data, void *owner),
			void *data, struct err *err)
{
	*s = (struct listen_service){
		.loop = loop, .names = names, .on_change = on_change, .data = data
	};
	port_search_init(&s->search, loop, disk, on_owner);
	listeners_init(&s->sockets);
	list_init(&s->unbound);
	loop_defer_open(&s->recheck, loop, on_recheck, s);
	loop_defer_open(&s->more, loop, on_more, s);
	if (loop_timer_open(&s->retry, loop, on_retry, s) < 0 ||
	    unix_watch_open(&s->files, loop, on_lost) < 0)
		return err_nomem(err);
	return 0;
}

void listen_service_fini(struct listen_service *s)
{
	port_search_fini(&s->search);
	loop_timer_close(&s->retry);
	unix_watch_close(&s->files);
	loop_defer_close(&s->recheck);
	loop_defer_close(&s->more);
	listeners_fini(&s->sockets);
}
