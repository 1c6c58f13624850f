/* SPDX-License-Identifier: MIT */
/*
 * Names to addresses with getaddrinfo(3) on threads, because it blocks and because only it honours
 * nsswitch.conf. Numeric addresses are answered without a thread, and a name that is being asked
 * for already is not asked for again: two hundred tunnels to one server make one query.
 */
#pragma once

#include <sys/socket.h>

#include "daemon/common/offload.h"

#define RESOLVE_ADDRESSES_MAX 16

struct address {
	struct sockaddr_storage sa;
	socklen_t length;
};

struct resolver;

struct resolve_request;
struct resolve_query;
/* err is NULL on success, then count > 0. The ports of the addresses are not set. */
typedef void (*resolve_done_fn)(void *data, const struct address *addresses, size_t count,
				const struct err *err);
struct resolve_request {
	struct list link; /* resolve_query.requests while under way */
	struct resolve_query *query; /* NULL: not under way */
	resolve_done_fn on_done;
	void *data;
};

/* name: of its threads; queries_max: names asked for at a time, more are refused (ERR_LIMIT). */
struct resolver *resolver_new(struct loop *loop, const char *name, unsigned queries_max,
			      struct err *err);
void resolver_free(struct resolver *resolver); /* every request must be done or canceled */

/* on_done is called once from the loop, never from within this call, unless canceled before. */
int resolve_start(struct resolver *resolver, struct resolve_request *request, const char *host,
		  resolve_done_fn on_done, void *data, struct err *err);
/* A name that nobody wants to know any more is not asked for, if its turn has not come. */
void resolve_cancel(struct resolve_request *request); /* idempotent on a {0} or finished one */

/* "192.0.2.7:22", "[2001:db8::1]:22" */
void address_format(const struct address *address, char *out, size_t size);
void address_set_port(struct address *address, unsigned port);
