/* SPDX-License-Identifier: MIT */
#include "daemon/supervisor/listening.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/common/log.h"
#include "daemon/supervisor/listen_lookup.h"
#include "lib/util.h"

/* A port that becomes free is taken within RETRY_MS + TICK_MS. */
#define TICK_MS 250
#define RETRY_MS 1000
#define ASK_AGAIN_MS 5000 /* who has a port is looked up not more often than that */
#define PENDING_MAX_MS 1000 /* a name that takes longer to resolve counts as failed meanwhile */
#define POLL_BATCH 64
#define LOOK_MS 2000 /* at each file of a Unix socket */
#define LOOK_SLICE_US 2000 /* spent in one go; to look takes a few, to make anew some hundred */
#define LOOK_PAUSE_MS 50 /* between two */
#define BIND_BATCH 128 /* sockets bound in one go; some 2 ms */

struct listening {
	struct list link; /* listen_service.unbound while not bound; a bound Unix socket: .files */
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
	uint64_t looked_ms; /* after its file */

	struct offload_job *looking; /* NULL: not now */
	bool must_look, has_looked; /* up a name or a group */
	bool lenient; /* an address this machine lacks is skipped */
	struct address *wanted;
	struct listener **sockets; /* NULL: not taken yet; by index of wanted until bound */
	size_t count; /* of both; once bound, of sockets */
	size_t first; /* where taking begins: with what was busy last time */
	bool is_unfinished; /* goes on with the next turn */
	struct port_question question; /* who has the address that is busy */
	uint64_t asked_ms;
};

static void try_bind(struct listening *l);

static bool is_file(const struct listening *l)
{
	return l->count == 1 && l->sockets[0] && address_is_unix(&l->sockets[0]->address);
}

static void watch_file(struct listening *l)
{
	struct listen_service *s = l->service;

	list_remove(&l->link);
	if (!is_file(l))
		return;
	list_append(&s->files, &l->link);
	l->looked_ms = monotonic_ms();
	if (!loop_timer_is_set(&s->look))
		loop_timer_set(&s->look, LOOK_MS);
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
	if (state == LISTENING_BOUND)
		watch_file(l);
	else if (!loop_timer_is_set(&l->service->retry))
		loop_timer_set(&l->service->retry, TICK_MS);
	if (!same && l->owner)
		l->service->on_change(l->service->data, l->owner);
}

static void drop_sockets(struct listening *l)
{
	for (size_t i = 0; i < l->count; i++) {
		if (l->sockets[i])
			listener_close(TAKE(l->sockets[i]));
	}
}

static void fail(struct listening *l, const struct err *error)
{
	drop_sockets(l);
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

/* Every port on every one of these addresses. */
static int want(struct listening *l, const struct address *hosts, size_t count)
{
	free(TAKE(l->wanted));
	free(TAKE(l->sockets));
	l->count = l->first = 0;
	l->wanted = calloc(count * l->port_count, sizeof(*l->wanted));
	l->sockets = calloc(count * l->port_count, sizeof(struct listener *));
	if (!l->wanted || !l->sockets)
		return -1;
	for (size_t i = 0; i < count; i++) {
		for (unsigned port = 0; port < l->port_count; port++) {
			l->wanted[l->count] = hosts[i];
			address_set_port(&l->wanted[l->count++], (uint16_t)(l->port + port));
		}
	}
	return 0;
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
		count = address_of_listen(hosts, l->host, l->port, &l->lenient);
	l->must_look = count == 0 || l->group;
	l->lenient |= count == 0;
	return count > 0 ? want(l, hosts, count) : 0;
}

/* ---- binding ---- */

/* A port the kernel chose for the first socket is the port of the others as well. */
static void share_port(struct listening *l, const struct listener *chosen)
{
	for (size_t i = 0; l->port == 0 && i < l->count; i++)
		address_set_port(&l->wanted[i], address_port(&chosen->address));
}

/* Who it was when it was last looked up is good enough for a while. */
static void ask_owner(struct listening *l, size_t busy)
{
	uint64_t now = monotonic_ms();
	bool is_known = l->state == LISTENING_FAILED && l->error.code == ERR_PORT_IN_USE &&
			l->first == busy && now - l->asked_ms < ASK_AGAIN_MS;

	drop_sockets(l);
	l->first = busy;
	l->next_try_ms = now + RETRY_MS;
	if (is_known || port_question_is_open(&l->question))
		return;
	l->asked_ms = now;
	port_search_ask(&l->service->search, &l->question, &l->wanted[busy]);
}

static void on_owner(struct port_question *q, const struct err *why)
{
	struct listening *l = list_entry(q, struct listening, question);

	set_state(l, LISTENING_FAILED, why);
}

/* Takes one. 1: wait for a socket of ours to become free, 0: taken, or not needed, -1: no (then
 * everything is dropped again and the reason on its way). */
static int take_one(struct listening *l, size_t i, struct err *err)
{
	switch (listeners_take(&l->service->sockets, &l->wanted[i], &l->rights, l->holder,
			       &l->sockets[i], err)) {
	case LISTENER_TAKEN:
		share_port(l, l->sockets[i]);
		return 0;
	case LISTENER_BUSY_LEAVING:
		return 1;
	case LISTENER_UNSUPPORTED:
		if (l->lenient)
			return 0;
		break;
	case LISTENER_BUSY_OTHER:
		ask_owner(l, i);
		return -1;
	case LISTENER_BUSY_OURS:
	case LISTENER_ERROR:
		break;
	}
	fail(l, err);
	l->first = i;
	return -1;
}

/* Takes what is not taken yet, or a good part of it; as take_one(). */
static int take_all(struct listening *l, struct err *err)
{
	int rc = 0, tried = 0;

	l->is_unfinished = false;
	for (size_t n = 0; n < l->count && rc == 0; n++) {
		size_t i = (l->first + n) % l->count;

		if (l->sockets[i])
			continue;
		if (tried++ == BIND_BATCH) {
			l->is_unfinished = true;
			loop_defer_schedule(&l->service->more);
			return 1;
		}
		rc = take_one(l, i, err);
	}
	return rc;
}

/* Closes the gaps of addresses that were skipped. */
static size_t compact(struct listening *l)
{
	size_t kept = 0;

	for (size_t i = 0; i < l->count; i++) {
		if (l->sockets[i])
			l->sockets[kept++] = l->sockets[i];
	}
	return kept;
}

static bool has_sockets(const struct listening *l)
{
	for (size_t i = 0; i < l->count; i++) {
		if (l->sockets[i])
			return true;
	}
	return false;
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
	} else if (has_sockets(l)) {
		l->count = compact(l);
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
static void replace_lost(struct listening *l)
{
	list_remove(&l->link);
	list_append(&l->service->unbound, &l->link);
	drop_sockets(l);
	set_state(l, LISTENING_PENDING, NULL);
	try_bind(l);
	if (l->state == LISTENING_BOUND)
		log_warning("%s: somebody removed %s; it was made anew", l->holder, l->host);
	else
		log_warning("%s: somebody removed %s, and it cannot be made anew: %s", l->holder,
			    l->host, l->error.msg);
}

static void look(struct listening *l, uint64_t now)
{
	list_remove(&l->link);
	list_append(&l->service->files, &l->link);
	l->looked_ms = now;
	if (unix_socket_is_lost(l->host, &l->sockets[0]->file))
		replace_lost(l);
}

/* The one that was not looked at for the longest time; NULL: there is none. */
static struct listening *next_file(const struct listen_service *s, uint64_t *ret_wait_ms,
				   uint64_t now)
{
	struct listening *l = list_first(&s->files, struct listening, link);

	*ret_wait_ms = l && l->looked_ms + LOOK_MS > now ? l->looked_ms + LOOK_MS - now : 0;
	return l;
}

static void on_look(void *data)
{
	struct listen_service *s = data;
	uint64_t now = monotonic_ms(), until_us = monotonic_us() + LOOK_SLICE_US, wait_ms;
	struct listening *l = next_file(s, &wait_ms, now);

	while (l && wait_ms == 0 && monotonic_us() < until_us) {
		look(l, now);
		l = next_file(s, &wait_ms, now);
	}
	if (l)
		loop_timer_set(&s->look, (unsigned)MAX(wait_ms, (uint64_t)LOOK_PAUSE_MS));
}

/* ---- claims ---- */

static void listening_free(struct listening *l)
{
	l->service->pending -= l->state == LISTENING_PENDING;
	list_remove(&l->link);
	offload_cancel(l->looking);
	port_question_forget(&l->question);
	free(l->wanted);
	free(l->sockets);
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
	size_t count = compact(l);
	struct listener **sockets = TAKE(l->sockets);

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
	*ret_count = l->state == LISTENING_BOUND ? l->count : 0;
	return l->sockets;
}

bool listening_has_waiting(const struct listening *l)
{
	struct pollfd fds[POLL_BATCH];
	size_t count, used = 0;
	struct listener *const *sockets = listening_sockets(l, &count);

	for (size_t i = 0; i < count; i++) {
		fds[used++] = (struct pollfd){ .fd = sockets[i]->fd, .events = POLLIN };
		if (used < POLL_BATCH && i + 1 < count)
			continue;
		if (poll(fds, used, 0) > 0)
			return true;
		used = 0;
	}
	return false;
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
	list_init(&s->files);
	loop_defer_open(&s->recheck, loop, on_recheck, s);
	loop_defer_open(&s->more, loop, on_more, s);
	if (loop_timer_open(&s->retry, loop, on_retry, s) < 0 ||
	    loop_timer_open(&s->look, loop, on_look, s) < 0)
		return err_nomem(err);
	return 0;
}

void listen_service_fini(struct listen_service *s)
{
	port_search_fini(&s->search);
	loop_timer_close(&s->retry);
	loop_timer_close(&s->look);
	loop_defer_close(&s->recheck);
	loop_defer_close(&s->more);
	listeners_fini(&s->sockets);
}
