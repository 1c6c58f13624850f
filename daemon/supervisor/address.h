/* SPDX-License-Identifier: MIT */
/*
 * An IP address with a port, as a value: what a listening socket is bound to and what it is known
 * by. Numeric texts only; names are somebody else's business.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define ADDRESS_TEXT_MAX 72 /* "[ipv6%interface]:65535" and the NUL */
#define LISTEN_ADDRESSES_MAX 8 /* sockets one forward may have */

struct address {
	union {
		struct sockaddr sa;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	};
	socklen_t length;
};

/* "127.0.0.1", "::1", "fe80::1%eth0"; never asks a name server. */
bool address_parse(struct address *ret, const char *host, uint16_t port);
bool address_from_sockaddr(struct address *ret, const struct sockaddr *sa, socklen_t length);

uint16_t address_port(const struct address *a);
void address_set_port(struct address *a, uint16_t port);
bool address_is_wildcard(const struct address *a);
bool address_equal(const struct address *a, const struct address *b);
/* Both cannot listen at the same time: equal, or one of them is the wildcard of the family. */
bool address_overlaps(const struct address *a, const struct address *b);
/* "127.0.0.1:5432", "[::1]:5432"; returns out. */
char *address_format(char out[ADDRESS_TEXT_MAX], const struct address *a);

/* The addresses a 'listen' host means without asking anybody: numeric ones, "localhost" (both
 * loopbacks), "*" or "" (every address). 0: it is a name that must be resolved. ret_implied: the
 * families were implied, so one that this machine lacks is no mistake. */
size_t address_of_listen(struct address ret[LISTEN_ADDRESSES_MAX], const char *host, uint16_t port,
			 bool *ret_implied);
