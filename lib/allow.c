/* SPDX-License-Identifier: MIT */
/*
 * A rule is parsed each time it is asked: it costs less than the connection it decides about, and
 * what was accepted when the configuration was read is the very thing that is compared. Addresses
 * are compared as bytes; an IPv4 address in IPv6 clothes (::ffff:10.0.0.1) is the IPv4 address.
 */
#include "lib/allow.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/endpoint.h"
#include "lib/str.h"

enum {
	RULE_MAX = ENDPOINT_HOST_MAX + 32, /* bytes: "*." host "/128" and two ports */
	IPV4_BYTES = 4,
	IPV6_BYTES = 16,
};

struct address {
	unsigned length; /* bytes; 0: none */
	unsigned char bytes[IPV6_BYTES];
};

struct rule {
	char host[RULE_MAX + 1]; /* a name, without its "*."; "*": everything */
	bool below; /* names below host, not host itself */
	struct address network; /* length 0: host is a name */
	unsigned bits; /* of network that count */
	uint16_t first, last; /* ports */
};

static const unsigned char mapped[IPV6_BYTES - IPV4_BYTES] = { [10] = 0xff, [11] = 0xff };

/* An address with an optional zone, in any spelling. */
static struct address read_address(const char *text)
{
	struct address a = { .length = IPV4_BYTES };
	char copy[INET6_ADDRSTRLEN];
	size_t length = strcspn(text, "%");

	if (inet_pton(AF_INET, text, a.bytes) == 1)
		return a;
	a.length = 0;
	if (length >= sizeof(copy))
		return a;
	memcpy(copy, text, length);
	copy[length] = '\0';
	if (inet_pton(AF_INET6, copy, a.bytes) != 1)
		return a;
	a.length = IPV6_BYTES;
	if (memcmp(a.bytes, mapped, sizeof(mapped)) == 0) {
		memmove(a.bytes, a.bytes + sizeof(mapped), IPV4_BYTES);
		a.length = IPV4_BYTES;
	}
	return a;
}

static int refuse(const char *rule, const char *why, struct err *err)
{
	char shown[96];

	str_escape(shown, sizeof(shown), rule, strlen(rule));
	return err_set(err, ERR_CONFIG, "'%s' %s", shown, why);
}

/* "/24" behind an address; "" means all of it. */
static int parse_bits(const char *rule, const char *text, bool is_ipv6, struct rule *r,
		      struct err *err)
{
	unsigned most = is_ipv6 ? 128 : 32, bits = most;

	if (*text == '/') {
		size_t digits = strspn(text + 1, "0123456789");

		if (digits == 0 || digits > 3 || text[1 + digits] != '\0' ||
		    sscanf(text + 1, "%u", &bits) != 1 || bits > most)
			return refuse(rule,
				      is_ipv6 ? "is not a network; write [ADDRESS]/0 to /128"
					      : "is not a network; write ADDRESS/0 to /32",
				      err);
	}
	r->bits = bits;
	if (!is_ipv6 || r->network.length == IPV6_BYTES)
		return 0;
	if (bits < 96)
		return refuse(rule, "is neither an IPv4 nor an IPv6 network; write 10.0.0.0/8",
			      err);
	r->bits = bits - 96;
	return 0;
}

/* host is "[ADDRESS]", "[ADDRESS]/BITS". */
static int parse_bracketed(const char *rule, char *host, struct rule *r, struct err *err)
{
	char *end = strchr(host, ']');

	if (!end || (end[1] != '\0' && end[1] != '/'))
		return refuse(rule, "has a '[' without a matching ']'; write [::1]:443", err);
	*end = '\0';
	r->network = read_address(host + 1);
	if (!strchr(host, ':') || r->network.length == 0)
		return refuse(rule, "has no IPv6 address in its brackets", err);
	return parse_bits(rule, end + 1, true, r, err);
}

/* host is an IPv4 address, a network or a name. */
static int parse_plain(const char *rule, char *host, struct rule *r, struct err *err)
{
	char *slash = strchr(host, '/');
	size_t length;

	if (slash)
		*slash = '\0';
	r->network = read_address(host);
	if (r->network.length > 0) {
		if (slash)
			*slash = '/';
		return parse_bits(rule, slash ? slash : "", false, r, err);
	}
	if (slash)
		return refuse(rule, "is not a network; write ADDRESS/BITS:PORT, 10.0.0.0/8:443",
			      err);
	if (strcmp(host, "*") == 0)
		return 0;
	r->below = strncmp(host, "*.", 2) == 0;
	if (r->below)
		memmove(host, host + 2, strlen(host + 2) + 1);
	length = strlen(host);
	if (length > 0 && host[length - 1] == '.')
		host[length - 1] = '\0';
	if (strchr(host, '*'))
		return refuse(rule, "has a '*' in the middle; only '*' and '*.NAME' are known",
			      err);
	return endpoint_check_host(host, err);
}

static int parse(const char *text, struct rule *r, struct err *err)
{
	char *colon;

	*r = (struct rule){ 0 };
	if (strlen(text) > RULE_MAX)
		return refuse(text, "is too long for a destination", err);
	strcpy(r->host, strcmp(text, "any") == 0 ? "*:*" : text);
	colon = strrchr(r->host, ':');
	if (!colon || (strchr(r->host, ']') && colon < strchr(r->host, ']')))
		return refuse(text, "has no port; write HOST:PORT, or HOST:* for every port", err);
	*colon++ = '\0';
	if (r->host[0] != '[' && strchr(r->host, ':'))
		return refuse(text, "has more than one ':'; put IPv6 addresses in brackets", err);
	if (strcmp(colon, "*") == 0)
		r->last = UINT16_MAX;
	else if (port_range_parse(colon, &r->first, &r->last, err) < 0)
		return err_prefix(err, "the port of a destination");
	if (r->host[0] == '[')
		return parse_bracketed(text, r->host, r, err);
	return parse_plain(text, r->host, r, err);
}

int allow_check(const char *rule, struct err *err)
{
	struct rule parsed;

	return parse(rule, &parsed, err);
}

static bool is_in_network(const struct rule *r, const struct address *a)
{
	unsigned whole = r->bits / 8, rest = r->bits % 8;

	if (a->length != r->network.length || memcmp(a->bytes, r->network.bytes, whole) != 0)
		return false;
	return rest == 0 || (a->bytes[whole] ^ r->network.bytes[whole]) >> (8 - rest) == 0;
}

/* Without case, and whether or not name ends with a dot. */
static bool is_name(const struct rule *r, const char *name)
{
	size_t length = strlen(name), own = strlen(r->host);

	if (length > 0 && name[length - 1] == '.')
		length--;
	if (r->below) {
		if (length < own + 2 || name[length - own - 1] != '.')
			return false;
		name += length - own;
		length = own;
	}
	return length == own && strncasecmp(name, r->host, own) == 0;
}

bool allow_matches(const struct strv *rules, const char *host, uint16_t port)
{
	struct address address = read_address(host);

	for (size_t i = 0; i < rules->count; i++) {
		struct rule r;

		if (parse(rules->items[i], &r, NULL) < 0 || port < r.first || port > r.last)
			continue;
		if (strcmp(r.host, "*") == 0)
			return true;
		if (r.network.length > 0 ? is_in_network(&r, &address)
					 : address.length == 0 && is_name(&r, host))
			return true;
	}
	return rules->count == 0;
}
