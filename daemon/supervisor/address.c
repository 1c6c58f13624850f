/* SPDX-License-Identifier: MIT */
#include "daemon/supervisor/address.h"

#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "lib/str.h"
#include "lib/util.h"

bool address_from_sockaddr(struct address *ret, const struct sockaddr *sa, socklen_t length)
{
	size_t wanted = sa->sa_family == AF_INET    ? sizeof(ret->v4)
			: sa->sa_family == AF_INET6 ? sizeof(ret->v6)
						    : 0;

	*ret = (struct address){ 0 };
	if (wanted == 0 || length < wanted)
		return false;
	memcpy(&ret->sa, sa, wanted);
	ret->length = (socklen_t)wanted;
	return true;
}

bool address_parse(struct address *ret, const char *host, uint16_t port)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM };
	struct addrinfo *found;
	bool ok;

	if (getaddrinfo(host, NULL, &hints, &found) != 0)
		return false;
	ok = address_from_sockaddr(ret, found->ai_addr, found->ai_addrlen);
	freeaddrinfo(found);
	if (ok)
		address_set_port(ret, port);
	return ok;
}

bool address_of_path(struct address *ret, const char *path)
{
	*ret = (struct address){ .un.sun_family = AF_UNIX, .length = sizeof(ret->un) };
	if (strlen(path) >= sizeof(ret->un.sun_path))
		return false;
	strcpy(ret->un.sun_path, path);
	return true;
}

bool address_is_unix(const struct address *a)
{
	return a->sa.sa_family == AF_UNIX;
}

uint16_t address_port(const struct address *a)
{
	if (address_is_unix(a))
		return 0;
	return ntohs(a->sa.sa_family == AF_INET ? a->v4.sin_port : a->v6.sin6_port);
}

void address_set_port(struct address *a, uint16_t port)
{
	if (a->sa.sa_family == AF_INET)
		a->v4.sin_port = htons(port);
	else if (a->sa.sa_family == AF_INET6)
		a->v6.sin6_port = htons(port);
}

unsigned address_hash(const struct address *a)
{
	const char *path = address_is_unix(a) ? a->un.sun_path : "";
	unsigned h = address_port(a);

	for (; *path; path++)
		h = h * 31 + (unsigned char)*path;
	return h;
}

bool address_is_wildcard(const struct address *a)
{
	if (address_is_unix(a))
		return false;
	if (a->sa.sa_family == AF_INET)
		return a->v4.sin_addr.s_addr == htonl(INADDR_ANY);
	return IN6_IS_ADDR_UNSPECIFIED(&a->v6.sin6_addr);
}

bool address_equal(const struct address *a, const struct address *b)
{
	if (a->sa.sa_family != b->sa.sa_family || address_port(a) != address_port(b))
		return false;
	if (address_is_unix(a))
		return strcmp(a->un.sun_path, b->un.sun_path) == 0;
	if (a->sa.sa_family == AF_INET)
		return a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
	return IN6_ARE_ADDR_EQUAL(&a->v6.sin6_addr, &b->v6.sin6_addr) &&
	       a->v6.sin6_scope_id == b->v6.sin6_scope_id;
}

bool address_overlaps(const struct address *a, const struct address *b)
{
	if (a->sa.sa_family != b->sa.sa_family || address_port(a) != address_port(b))
		return false;
	return address_is_wildcard(a) || address_is_wildcard(b) || address_equal(a, b);
}

char *address_format(char out[ADDRESS_TEXT_MAX], const struct address *a)
{
	char host[ADDRESS_TEXT_MAX - 8];

	if (address_is_unix(a))
		return str_escape(out, ADDRESS_TEXT_MAX, a->un.sun_path, strlen(a->un.sun_path));
	if (getnameinfo(&a->sa, a->length, host, sizeof(host), NULL, 0, NI_NUMERICHOST) != 0)
		strcpy(host, "?");
	snprintf(out, ADDRESS_TEXT_MAX, a->sa.sa_family == AF_INET6 ? "[%s]:%u" : "%s:%u", host,
		 address_port(a));
	return out;
}

size_t address_of_listen(struct address ret[LISTEN_ADDRESSES_MAX], const char *host, uint16_t port,
			 bool *ret_implied)
{
	static const struct {
		const char *host, *v4, *v6;
	} pairs[] = {
		{ "localhost", "127.0.0.1", "::1" },
		{ "*", "0.0.0.0", "::" },
		{ "", "0.0.0.0", "::" },
	};

	*ret_implied = false;
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		if (strcmp(host, pairs[i].host) != 0)
			continue;
		*ret_implied = true;
		return address_parse(&ret[0], pairs[i].v4, port) &&
				       address_parse(&ret[1], pairs[i].v6, port)
			       ? 2
			       : 0;
	}
	return address_parse(&ret[0], host, port) ? 1 : 0;
}
