/* SPDX-License-Identifier: MIT */
/*
 * What a listening socket is bound to and known by, as a value: an IP address with a port, or the
 * path of a Unix socket. Numeric texts only; names are somebody else's business.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#define ADDRESS_TEXT_MAX 112 /* of a path; "[ipv6%interface]:65535" takes less */
#define LISTEN_ADDRESSES_MAX 8 /* one host may stand for */

struct address {
	union {
		struct sockaddr sa;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
		struct sockaddr_un un;
	};
	socklen_t length;
};

/* "127.0.0.1", "::1", "fe80::1%eth0"; never asks a name server. */
bool address_parse(struct address *ret, const char *host, uint16_t port);
bool address_from_sockaddr(struct address *ret, const struct sockaddr *sa, socklen_t length);
bool address_of_path(struct address *ret, const char *path); /* false: too long for a socket */

bool address_is_unix(const struct address *a);
uint16_t address_port(const struct address *a); /* 0: a path has none */
void address_set_port(struct address *a, uint16_t port);
unsigned address_hash(const struct address *a); /* by port or path: what overlaps is alike */
bool address_is_wildcard(const struct address *a);
bool address_equal(const struct address *a, const struct address *b);
/* Both cannot listen at the same time: equal, or one of them is the wildcard of the family. */
bool address_overlaps(const struct address *a, const struct address *b);
/* "127.0.0.1:5432", "[::1]:5432", "/run/x.sock"; returns out. */
char *address_format(char out[ADDRESS_TEXT_MAX], const struct address *a);

/* The addresses a 'listen' host means without asking anybody: numeric ones, "localhost" (both
 * loopbacks), "*" or "" (every address). 0: it is a name that must be resolved. ret_implied: the
 * families were implied, so one that this machine lacks is no mistake. */
size_t address_of_listen(struct address ret[LISTEN_ADDRESSES_MAX], const char *host, uint16_t port,
			 bool *ret_implied);
