/* SPDX-License-Identifier: MIT */
#include "daemon/supervisor/listening.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util.h"

#define TICK_MS 500
#define RETRY_MS 2000
#define PENDING_MAX_MS 1000 /* a name that takes longer to resolve counts as failed meanwhile */

struct listening {
	struct list link; /* listen_service.unbound while not bound */
	struct listen_service *service;
	const char *holder;
	char *host;
	uint16_t port;
	void *owner; /* NULL while listening_open() runs */

	enum listening_state state;
	struct err error;
	uint64_t opened_ms, next_try_ms;

	struct offload_job *resolving; /* NULL: not now */
	bool is_name, lenient; /* lenient: an address this machine lacks is skipped */
	struct address wanted[LISTEN_ADDRESSES_MAX];
	size_t wanted_count;
	struct listener *sockets[LISTEN_ADDRESSES_MAX]; /* NULL: not yet; by index of wanted */
	struct port_question question; /* who has the address that is busy */
};

struct resolve_job {
	struct listening *asker;
	char *host;
	struct address found[LISTEN_ADDRESSES_MAX];
	size_t count;
	int rc; /* of getaddrinfo() */
};

static void try_bind(struct listening *l);

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
		list_remove(&l->link);
	else if (!loop_timer_is_set(&l->service->retry))
		loop_timer_set(&l->service->retry, TICK_MS);
	if (!same && l->owner)
		l->service->on_change(l->service->data, l->owner);
}

static void drop_sockets(struct listening *l)
{
	for (size_t i = 0; i < LISTEN_ADDRESSES_MAX; i++) {
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

/* ---- names ---- */

static void resolve_work(void *data)
{
	struct resolve_job *job = data;
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE };
	struct addrinfo *found = NULL;

	job->rc = getaddrinfo(job->host, NULL, &hints, &found);
	if (job->rc != 0)
		return;
	for (struct addrinfo *a = found; a && job->count < LISTEN_ADDRESSES_MAX; a = a->ai_next) {
		if (address_from_sockaddr(&job->found[job->count], a->ai_addr, a->ai_addrlen))
			job->count++;
	}
	freeaddrinfo(found);
}

static void resolve_free(void *data)
{
	struct resolve_job *job = data;

	free(job->host);
	free(job);
}

static bool has_wanted(const struct listening *l, const struct address *a)
{
	for (size_t i = 0; i < l->wanted_count; i++) {
		if (address_equal(&l->wanted[i], a))
			return true;
	}
	return false;
}

static void on_resolved(void *data)
{
	struct resolve_job *job = data;
	struct listening *l = job->asker;
	struct err err;

	l->resolving = NULL;
	l->wanted_count = 0;
	for (size_t i = 0; i < job->count; i++) {
		address_set_port(&job->found[i], l->port);
		if (!has_wanted(l, &job->found[i]))
			l->wanted[l->wanted_count++] = job->found[i];
	}
	if (l->wanted_count > 0) {
		try_bind(l);
	} else {
		err_set(&err, ERR_RESOLVE, "cannot listen on '%s': %s", l->host,
			job->rc ? gai_strerror(job->rc) : "it has no address");
		fail(l, &err);
	}
	resolve_free(job);
}

static void resolve(struct listening *l)
{
	struct resolve_job *job = calloc(1, sizeof(*job));
	struct err err;

	if (job) {
		job->asker = l;
		job->host = strdup(l->host);
		if (job->host)
			l->resolving = offload_submit(l->service->names, resolve_work, on_resolved,
						      resolve_free, job);
		if (!l->resolving)
			resolve_free(job);
	}
	if (!l->resolving) {
		err_nomem(&err);
		fail(l, &err);
	}
}

/* ---- binding ---- */

/* A port the kernel chose for the first socket is the port of the others as well. */
static void share_port(struct listening *l, const struct listener *chosen)
{
	for (size_t i = 0; l->port == 0 && i < l->wanted_count; i++)
		address_set_port(&l->wanted[i], address_port(&chosen->address));
}

static void ask_owner(struct listening *l, const struct address *busy)
{
	drop_sockets(l);
	l->next_try_ms = monotonic_ms() + RETRY_MS;
	port_search_ask(&l->service->search, &l->question, busy);
}

static void on_owner(struct port_question *q, const struct err *why)
{
	fail(list_entry(q, struct listening, question), why);
}

/* Takes what is not taken yet. 1: wait for a socket of ours to become free, 0: all there is was
 * taken, -1: no (then everything is dropped again and the reason on its way). */
static int take_all(struct listening *l, struct err *err)
{
	bool wait = false;

	for (size_t i = 0; i < l->wanted_count; i++) {
		if (l->sockets[i])
			continue;
		switch (listeners_take(&l->service->sockets, &l->wanted[i], l->holder,
				       &l->sockets[i], err)) {
		case LISTENER_TAKEN:
			share_port(l, l->sockets[i]);
			break;
		case LISTENER_BUSY_LEAVING:
			wait = true;
			break;
		case LISTENER_UNSUPPORTED:
			if (l->lenient)
				break;
			fail(l, err);
			return -1;
		case LISTENER_BUSY_OTHER:
			ask_owner(l, &l->wanted[i]);
			return -1;
		case LISTENER_BUSY_OURS:
		case LISTENER_ERROR:
			fail(l, err);
			return -1;
		}
	}
	return wait;
}

static void try_bind(struct listening *l)
{
	struct listener *taken[LISTEN_ADDRESSES_MAX];
	struct err err = { 0 };
	int rc = take_all(l, &err);

	if (rc < 0)
		return;
	if (rc > 0)
		set_state(l, LISTENING_PENDING, NULL);
	else if (listening_sockets(l, taken) > 0)
		set_state(l, LISTENING_BOUND, NULL);
	else
		fail(l, &err);
}

static void try_again(struct listening *l)
{
	if (l->resolving || port_question_is_open(&l->question))
		return;
	if (l->is_name && l->state == LISTENING_FAILED)
		resolve(l);
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

static void tick(struct listening *l, uint64_t now)
{
	struct err err;

	if (l->state == LISTENING_PENDING && l->resolving && now - l->opened_ms > PENDING_MAX_MS) {
		err_set(&err, ERR_RESOLVE, "cannot listen on '%s': no name server has answered yet",
			l->host);
		set_state(l, LISTENING_FAILED, &err);
	} else if (l->state == LISTENING_FAILED && now >= l->next_try_ms) {
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

/* ---- claims ---- */

struct listening *listening_open(struct listen_service *s, const char *holder, const char *host,
				 uint16_t port, void *owner)
{
	struct listening *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	*l = (struct listening){ .service = s, .holder = holder, .port = port };
	l->host = strdup(host);
	if (!l->host) {
		free(l);
		return NULL;
	}
	l->opened_ms = monotonic_ms();
	port_question_init(&l->question);
	s->pending++;
	list_append(&s->unbound, &l->link);
	set_state(l, LISTENING_PENDING, NULL);
	l->wanted_count = address_of_listen(l->wanted, host, port, &l->lenient);
	l->is_name = l->wanted_count == 0;
	l->lenient |= l->is_name;
	if (l->is_name)
		resolve(l);
	else
		try_bind(l);
	l->owner = owner;
	return l;
}

static void listening_free(struct listening *l)
{
	l->service->pending -= l->state == LISTENING_PENDING;
	list_remove(&l->link);
	offload_cancel(l->resolving);
	port_question_forget(&l->question);
	free(l->host);
	free(l);
}

void listening_close(struct listening *l)
{
	struct listener *sockets[LISTEN_ADDRESSES_MAX];
	struct listen_service *s;

	if (!l)
		return;
	s = l->service;
	listen_service_release(s, sockets, listening_detach(l, sockets));
}

size_t listening_detach(struct listening *l, struct listener *ret[LISTEN_ADDRESSES_MAX])
{
	size_t count = listening_sockets(l, ret);

	for (size_t i = 0; i < count; i++)
		listener_leave(ret[i]);
	listening_free(l);
	return count;
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
void listen_service_sweep(struct listen_service *s)
{
	hand_on(s);
	listeners_sweep(&s->sockets);
}

enum listening_state listening_state(const struct listening *l)
{
	return l->state;
}

const struct err *listening_error(const struct listening *l)
{
	return &l->error;
}

size_t listening_sockets(const struct listening *l, struct listener *ret[LISTEN_ADDRESSES_MAX])
{
	size_t count = 0;

	for (size_t i = 0; i < LISTEN_ADDRESSES_MAX; i++) {
		if (l->sockets[i])
			ret[count++] = l->sockets[i];
	}
	return count;
}

bool listening_has_waiting(const struct listening *l)
{
	struct listener *sockets[LISTEN_ADDRESSES_MAX];
	struct pollfd fds[LISTEN_ADDRESSES_MAX];
	size_t count = listening_sockets(l, sockets);

	for (size_t i = 0; i < count; i++)
		fds[i] = (struct pollfd){ .fd = sockets[i]->fd, .events = POLLIN };
	return count > 0 && poll(fds, count, 0) > 0;
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
	if (loop_timer_open(&s->retry, loop, on_retry, s) < 0)
		return err_nomem(err);
	return 0;
}

void listen_service_fini(struct listen_service *s)
{
	port_search_fini(&s->search);
	loop_timer_close(&s->retry);
	loop_defer_close(&s->recheck);
	listeners_fini(&s->sockets);
}
