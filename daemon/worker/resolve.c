/* SPDX-License-Identifier: MIT */
#include "daemon/worker/resolve.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util.h"

#define THREADS 8

struct resolver {
	struct loop *loop;
	struct offload *pool;
	struct list queries;
	unsigned count, max; /* of queries */
};

/* One name that is being asked for. */
struct resolve_query {
	struct list link; /* resolver.queries, until answered */
	struct list requests; /* struct resolve_request */
	struct resolver *resolver;
	struct offload_job *job; /* NULL: it is numeric, or being answered */
	struct loop_defer numeric_defer; /* answers a numeric one from the loop */
	int rc; /* of getaddrinfo */
	int sys;
	struct address addresses[RESOLVE_ADDRESSES_MAX];
	size_t count;
	char host[];
};

/* On a thread (or at once for a numeric host): touches nothing but the query's result. */
static void look_up(struct resolve_query *q, int flags)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = flags };
	struct addrinfo *list = NULL;

	q->rc = getaddrinfo(q->host, NULL, &hints, &list);
	q->sys = errno;
	if (q->rc != 0)
		return;
	for (struct addrinfo *ai = list; ai && q->count < RESOLVE_ADDRESSES_MAX; ai = ai->ai_next) {
		struct address *a = &q->addresses[q->count];

		if (ai->ai_addrlen > sizeof(a->sa))
			continue;
		memcpy(&a->sa, ai->ai_addr, ai->ai_addrlen);
		a->length = ai->ai_addrlen;
		q->count++;
	}
	freeaddrinfo(list);
}

static void work(void *data)
{
	look_up(data, 0); /* no AI_ADDRCONFIG: it hides localhost on a machine without a network */
}

static void query_error(const struct resolve_query *q, struct err *err)
{
	if (q->rc == EAI_SYSTEM)
		err_set_errno(err, ERR_RESOLVE, q->sys, "cannot resolve '%s'", q->host);
	else if (q->rc == EAI_NONAME)
		err_set(err, ERR_RESOLVE,
			"cannot resolve '%s': no such name; check the spelling of the host, or DNS",
			q->host);
	else if (q->rc == EAI_AGAIN)
		err_set(err, ERR_RESOLVE, "cannot resolve '%s': the name server does not answer",
			q->host);
	else
		err_set(err, ERR_RESOLVE, "cannot resolve '%s': %s", q->host,
			q->rc ? gai_strerror(q->rc) : "no address");
}

static void leave_resolver(struct resolve_query *q)
{
	list_remove(&q->link);
	q->resolver->count--;
}

static void answer(void *data)
{
	struct resolve_query *q = data;
	struct resolve_request *request;
	struct err err;

	q->job = NULL;
	leave_resolver(q);
	query_error(q, &err);
	while ((request = list_first(&q->requests, struct resolve_request, link))) {
		list_remove(&request->link);
		request->query = NULL;
		if (q->count > 0)
			request->on_done(request->data, q->addresses, q->count, NULL);
		else
			request->on_done(request->data, NULL, 0, &err);
	}
	loop_defer_close(&q->numeric_defer);
	free(q);
}

static bool is_numeric(const char *host)
{
	unsigned char address[sizeof(struct in6_addr)];

	/* A scope ("fe80::1%eth0") is numeric as well, and needs no server. */
	return inet_pton(AF_INET, host, address) == 1 || strchr(host, ':');
}

static struct resolve_query *query_find(struct resolver *resolver, const char *host)
{
	struct resolve_query *q;

	list_for_each (q, &resolver->queries, link) {
		if (strcmp(q->host, host) == 0)
			return q;
	}
	return NULL;
}

static struct resolve_query *query_start(struct resolver *resolver, const char *host,
					 struct err *err)
{
	size_t size = strlen(host) + 1;
	struct resolve_query *q;

	if (resolver->count >= resolver->max) {
		err_set(err, ERR_LIMIT, "too many names are being resolved at the moment");
		return NULL;
	}
	q = calloc(1, sizeof(*q) + size);
	if (!q) {
		err_nomem(err);
		return NULL;
	}
	q->resolver = resolver;
	memcpy(q->host, host, size);
	list_init(&q->requests);
	list_init(&q->link);
	loop_defer_open(&q->numeric_defer, resolver->loop, answer, q);
	if (is_numeric(host)) {
		look_up(q, AI_NUMERICHOST);
		loop_defer_schedule(&q->numeric_defer);
	} else {
		q->job = offload_submit(resolver->pool, work, answer, free, q);
		if (!q->job) {
			free(q);
			err_nomem(err);
			return NULL;
		}
	}
	list_append(&resolver->queries, &q->link);
	resolver->count++;
	return q;
}

struct resolver *resolver_new(struct loop *loop, const char *name, unsigned queries_max,
			      struct err *err)
{
	struct resolver *resolver = calloc(1, sizeof(*resolver));

	if (!resolver) {
		err_nomem(err);
		return NULL;
	}
	resolver->loop = loop;
	resolver->max = queries_max;
	list_init(&resolver->queries);
	resolver->pool = offload_new(loop, name, THREADS, err);
	if (!resolver->pool) {
		free(resolver);
		return NULL;
	}
	return resolver;
}

/* Queries nobody waits for any more are the pool's to free. */
void resolver_free(struct resolver *resolver)
{
	struct resolve_query *q;

	if (!resolver)
		return;
	list_for_each (q, &resolver->queries, link) {
		list_remove(&q->link);
		loop_defer_close(&q->numeric_defer);
		if (is_numeric(q->host))
			free(q);
	}
	offload_free(resolver->pool);
	free(resolver);
}

int resolve_start(struct resolver *resolver, struct resolve_request *request, const char *host,
		  resolve_done_fn on_done, void *data, struct err *err)
{
	struct resolve_query *q = query_find(resolver, host);

	if (!q)
		q = query_start(resolver, host, err);
	if (!q)
		return -1;
	request->on_done = on_done;
	request->data = data;
	request->query = q;
	list_append(&q->requests, &request->link);
	return 0;
}

void resolve_cancel(struct resolve_request *request)
{
	struct resolve_query *q = TAKE(request->query);

	if (!q)
		return;
	list_remove(&request->link);
	if (q->job && list_is_empty(&q->requests)) {
		leave_resolver(q);
		loop_defer_close(&q->numeric_defer);
		offload_cancel(TAKE(q->job));
	}
}

void address_format(const struct address *address, char *out, size_t size)
{
	char host[INET6_ADDRSTRLEN + 32], port[8];

	if (getnameinfo((const struct sockaddr *)&address->sa, address->length, host, sizeof(host),
			port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		snprintf(out, size, "?");
	else if (address->sa.ss_family == AF_INET6)
		snprintf(out, size, "[%s]:%s", host, port);
	else
		snprintf(out, size, "%s:%s", host, port);
}

void address_set_port(struct address *address, unsigned port)
{
	if (address->sa.ss_family == AF_INET6)
		((struct sockaddr_in6 *)&address->sa)->sin6_port = htons((uint16_t)port);
	else
		((struct sockaddr_in *)&address->sa)->sin_port = htons((uint16_t)port);
}
