/* SPDX-License-Identifier: MIT */
#include "daemon/worker/dial_options.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>

#include "lib/endpoint.h"
#include "lib/util.h"

void dial_options_of(const struct connection_settings *c, struct dial_options *ret)
{
	*ret = (struct dial_options){ .bind_address = c->bind_address,
				      .family = (enum address_family)c->address_family,
				      .keepalive = c->tcp_keepalive,
				      .qos = c->ip_qos };
}

/* ---- where from ---- */

static bool is_address(struct dial_manner *m)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)&m->from4.sa;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&m->from6.sa;

	if (inet_pton(AF_INET, m->bind_name, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		m->from4.length = sizeof(*v4);
		return true;
	}
	if (inet_pton(AF_INET6, m->bind_name, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		m->from6.length = sizeof(*v6);
		return true;
	}
	return false;
}

/* A link-local address reaches no server, unless it is all there is. */
static void take_address(struct address *to, const struct sockaddr *sa, socklen_t length,
			 bool is_poor)
{
	if (to->length > 0 && is_poor)
		return;
	memcpy(&to->sa, sa, length);
	to->length = length;
}

static bool is_link_local(const struct sockaddr *sa)
{
	return IN6_IS_ADDR_LINKLOCAL(&((const struct sockaddr_in6 *)sa)->sin6_addr);
}

/* The first addresses of an interface. */
static bool is_interface(struct dial_manner *m)
{
	struct ifaddrs *all, *i;
	bool exists = false;

	if (getifaddrs(&all) < 0)
		return false;
	for (i = all; i; i = i->ifa_next) {
		if (strcmp(i->ifa_name, m->bind_name) != 0)
			continue;
		exists = true;
		if (i->ifa_addr && i->ifa_addr->sa_family == AF_INET)
			take_address(&m->from4, i->ifa_addr, sizeof(struct sockaddr_in), true);
		else if (i->ifa_addr && i->ifa_addr->sa_family == AF_INET6 &&
			 (m->from6.length == 0 ||
			  is_link_local((const struct sockaddr *)&m->from6.sa)))
			take_address(&m->from6, i->ifa_addr, sizeof(struct sockaddr_in6),
				     is_link_local(i->ifa_addr));
	}
	freeifaddrs(all);
	return exists;
}

int dial_manner_init(struct dial_manner *m, const struct dial_options *options, struct err *err)
{
	*m = (struct dial_manner){ .qos = QOS_NONE };
	if (!options)
		return 0;
	m->keepalive = options->keepalive;
	m->qos = options->qos;
	if (!options->bind_address)
		return 0;
	snprintf(m->bind_name, sizeof(m->bind_name), "%s", options->bind_address);
	if (is_address(m))
		return 0;
	/* An interface may come back by itself: a VPN, a dongle. */
	if (!is_interface(m))
		return err_set(err, ERR_BIND,
			       "bind_address: '%s' is neither an address nor an interface of this "
			       "machine",
			       m->bind_name);
	if (m->from4.length == 0 && m->from6.length == 0)
		return err_set(err, ERR_BIND, "bind_address: interface %s has no address",
			       m->bind_name);
	return 0;
}

static const struct address *from(const struct dial_manner *m, int family)
{
	const struct address *a = family == AF_INET6 ? &m->from6 : &m->from4;

	return a->length > 0 ? a : NULL;
}

/* ---- where to ---- */

static bool is_wanted(enum address_family family, int of)
{
	return family == FAMILY_ANY || (family == FAMILY_INET6) == (of == AF_INET6);
}

static int explain_none(const struct dial_manner *m, enum address_family family, bool has_family,
			const char *host, struct err *err)
{
	if (!has_family)
		return err_set(err, ERR_RESOLVE,
			       "'%s' has no %s address, and address_family allows no other", host,
			       family == FAMILY_INET6 ? "IPv6" : "IPv4");
	return err_set(
		err, ERR_BIND,
		"bind_address %s has only %s, but '%s' only %s; name an address of the other "
		"family, or an interface",
		m->bind_name, m->from6.length > 0 ? "IPv6" : "IPv4", host,
		m->from6.length > 0 ? "IPv4" : "IPv6");
}

size_t dial_manner_filter(const struct dial_manner *m, enum address_family family,
			  struct address *addresses, size_t count, const char *host,
			  struct err *err)
{
	bool has_family = false;
	size_t kept = 0;

	for (size_t i = 0; i < count; i++) {
		int of = addresses[i].sa.ss_family;

		if (!is_wanted(family, of))
			continue;
		has_family = true;
		if (!m->bind_name[0] || from(m, of))
			addresses[kept++] = addresses[i];
	}
	if (kept == 0)
		explain_none(m, family, has_family, host, err);
	return kept;
}

int dial_manner_apply(const struct dial_manner *m, int fd, int family)
{
	const struct address *a = m->bind_name[0] ? from(m, family) : NULL;
	int one = 1, on = m->keepalive, qos = (int)m->qos;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	if (m->qos != QOS_NONE)
		setsockopt(fd, family == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP,
			   family == AF_INET6 ? IPV6_TCLASS : IP_TOS, &qos, sizeof(qos));
	if (!a)
		return 0;
	/* Otherwise a port is chosen now, of which there are few, and not for this peer alone. */
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
	return bind(fd, (const struct sockaddr *)&a->sa, a->length) < 0 ? errno : 0;
}
