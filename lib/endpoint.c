/* SPDX-License-Identifier: MIT */
/*
 * Hosts are taken from an allow-list of characters: they end up in known_hosts lines, logs and
 * messages, so nothing that has a meaning there (patterns, separators, quotes) may come through.
 */
#include "lib/endpoint.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/str.h"
#include "lib/util.h"

/* The names of /etc/services that people forward, so that parsing needs no file and no lookup. */
static const struct {
	const char *name;
	uint16_t port;
} services[] = {
	{ "ftp", 21 },          { "ssh", 22 },         { "telnet", 23 },       { "smtp", 25 },
	{ "domain", 53 },       { "gopher", 70 },      { "http", 80 },         { "kerberos", 88 },
	{ "pop3", 110 },        { "nntp", 119 },       { "imap2", 143 },       { "imap", 143 },
	{ "snmp", 161 },        { "irc", 194 },        { "ldap", 389 },        { "https", 443 },
	{ "submissions", 465 }, { "submission", 587 }, { "ipp", 631 },         { "ldaps", 636 },
	{ "rsync", 873 },       { "imaps", 993 },      { "pop3s", 995 },       { "socks", 1080 },
	{ "ms-sql-s", 1433 },   { "mqtt", 1883 },      { "nfs", 2049 },        { "git", 9418 },
	{ "mysql", 3306 },      { "svn", 3690 },       { "postgresql", 5432 }, { "amqp", 5672 },
	{ "redis", 6379 },      { "http-alt", 8080 },  { "mqtt-tls", 8883 },
};

/* Text of strangers as it may stand in a message. */
struct shown {
	char text[80];
};

static struct shown show(const char *text)
{
	struct shown shown;

	str_escape(shown.text, sizeof(shown.text), text, strlen(text));
	return shown;
}

int port_parse(const char *text, uint16_t *ret, struct err *err)
{
	unsigned port = 0;
	size_t digits = strspn(text, "0123456789");

	for (size_t i = 0; i < ARRAY_SIZE(services); i++) {
		if (strcasecmp(services[i].name, text) == 0) {
			*ret = services[i].port;
			return 0;
		}
	}
	for (size_t i = 0; i < digits && port <= UINT16_MAX; i++)
		port = port * 10 + (unsigned)(text[i] - '0');
	if (digits == 0 || text[digits] != '\0' || port == 0 || port > UINT16_MAX)
		return err_set(err, ERR_CONFIG,
			       "'%s' is not a port; write a number from 1 to 65535",
			       show(text).text);
	*ret = (uint16_t)port;
	return 0;
}

int port_range_parse(const char *text, uint16_t *ret_first, uint16_t *ret_last, struct err *err)
{
	size_t first = strspn(text, "0123456789");
	size_t last = text[first] == '-' ? strspn(text + first + 1, "0123456789") : 0;
	char copy[sizeof("65535-65535")];

	/* "http-alt" and what is none at all: one port. */
	if (first == 0 || last == 0 || text[first + 1 + last] != '\0' ||
	    first + 1 + last >= sizeof(copy)) {
		if (port_parse(text, ret_first, err) < 0)
			return -1;
		*ret_last = *ret_first;
		return 0;
	}
	strcpy(copy, text);
	copy[first] = '\0';
	if (port_parse(copy, ret_first, err) < 0 || port_parse(copy + first + 1, ret_last, err) < 0)
		return -1;
	if (*ret_first > *ret_last)
		return err_set(err, ERR_CONFIG,
			       "'%s' is not a range of ports; write the smaller one first", text);
	return 0;
}

bool endpoint_is_ipv6(const char *host)
{
	char address[INET6_ADDRSTRLEN];
	struct in6_addr parsed;
	size_t length = strcspn(host, "%");

	if (length >= sizeof(address))
		return false;
	memcpy(address, host, length);
	address[length] = '\0';
	if (inet_pton(AF_INET6, address, &parsed) != 1)
		return false;
	return host[length] == '\0' ||
	       (host[length + 1] != '\0' && strlen(host + length) <= 16 &&
		strspn(host + length + 1, "abcdefghijklmnopqrstuvwxyz"
					  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
					  "0123456789._-") == strlen(host + length + 1));
}

static bool is_name_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '.' || c == '-' || c == '_' || (unsigned char)c >= 0x80;
}

/* Why c cannot stand in a host name. */
static int refuse_byte(const char *host, char c, struct err *err)
{
	char one[8];

	if (c == ':')
		return err_set(err, ERR_CONFIG, "'%s' is neither a host name nor an IPv6 address",
			       show(host).text);
	if (c == ' ' || c == '\t')
		return err_set(err, ERR_CONFIG, "'%s' is not a host name: it contains a space",
			       show(host).text);
	str_escape(one, sizeof(one), &c, 1);
	return err_set(err, ERR_CONFIG, "'%s' is not a host name: '%s' cannot stand in one",
		       show(host).text, one);
}

int endpoint_check_host(const char *host, struct err *err)
{
	size_t length = strlen(host);

	if (length == 0)
		return err_set(err, ERR_CONFIG, "the host name is empty");
	if (length > ENDPOINT_HOST_MAX)
		return err_set(err, ERR_CONFIG,
			       "'%s' is too long for a host name (at most %d bytes)",
			       show(host).text, ENDPOINT_HOST_MAX);
	if (endpoint_is_ipv6(host))
		return 0;
	if (host[0] == '-')
		return err_set(err, ERR_CONFIG, "'%s' is not a host name: it begins with '-'",
			       show(host).text);
	for (size_t i = 0; i < length; i++) {
		if (!is_name_byte(host[i]))
			return refuse_byte(host, host[i], err);
	}
	if (!str_is_utf8(host, length))
		return err_set(err, ERR_CONFIG, "'%s' is not a host name: it is not valid UTF-8",
			       show(host).text);
	return 0;
}

int endpoint_check_user(const char *user, struct err *err)
{
	size_t length = strlen(user);

	if (length == 0)
		return err_set(err, ERR_CONFIG, "the user name is empty");
	if (length > ENDPOINT_USER_MAX)
		return err_set(err, ERR_CONFIG,
			       "'%s' is too long for a user name (at most %d bytes)",
			       show(user).text, ENDPOINT_USER_MAX);
	if (user[0] == '-')
		return err_set(err, ERR_CONFIG, "'%s' is not a user name: it begins with '-'",
			       show(user).text);
	for (size_t i = 0; i < length; i++) {
		if ((unsigned char)user[i] <= ' ' || user[i] == 0x7f ||
		    strchr("'`\";&<>|(){}", user[i]))
			return err_set(err, ERR_CONFIG,
				       "'%s' is not a user name: '%c' cannot stand in one",
				       show(user).text,
				       (unsigned char)user[i] < ' ' || user[i] == 0x7f ? '?'
										       : user[i]);
	}
	if (!str_is_utf8(user, length))
		return err_set(err, ERR_CONFIG, "'%s' is not a user name: it is not valid UTF-8",
			       show(user).text);
	return 0;
}

/* Takes "user@" off the front of *text. */
static int take_user(const char **text, struct endpoint *ret, struct err *err)
{
	const char *at = strrchr(*text, '@');
	size_t length;

	if (!at)
		return 0;
	length = (size_t)(at - *text);
	if (length >= sizeof(ret->user))
		return err_set(err, ERR_CONFIG,
			       "the user name in '%s' is too long (at most %d bytes)",
			       show(*text).text, ENDPOINT_USER_MAX);
	memcpy(ret->user, *text, length);
	ret->user[length] = '\0';
	*text = at + 1;
	return endpoint_check_user(ret->user, err);
}

/* Splits "host", "host:port", "[v6]", "[v6]:port" or bare IPv6; *ret_port is NULL without a port.
 */
static int split_host(const char *text, size_t *ret_start, size_t *ret_length,
		      const char **ret_port, struct err *err)
{
	const char *colon = strchr(text, ':');
	const char *end;

	*ret_start = 0;
	*ret_port = NULL;
	if (text[0] == '[') {
		end = strchr(text, ']');
		if (!end || (end[1] != '\0' && end[1] != ':'))
			return err_set(err, ERR_CONFIG,
				       "'%s' is not an address; write [IPv6] or [IPv6]:port",
				       show(text).text);
		*ret_start = 1;
		*ret_length = (size_t)(end - text) - 1;
		*ret_port = end[1] == ':' ? end + 2 : NULL;
		return 0;
	}
	*ret_length = strlen(text);
	if (!colon || endpoint_is_ipv6(text))
		return 0;
	if (strchr(colon + 1, ':'))
		return err_set(err, ERR_CONFIG,
			       "'%s' has more than one ':'; write host:port or [IPv6]:port",
			       show(text).text);
	*ret_length = (size_t)(colon - text);
	*ret_port = colon + 1;
	return 0;
}

int endpoint_parse(const char *text, struct endpoint *ret, struct err *err)
{
	const char *port;
	size_t start = 0, length = 0;

	*ret = (struct endpoint){ 0 };
	if (strstr(text, "://"))
		return err_set(err, ERR_CONFIG,
			       "'%s' is a URL; write [user@]host[:port] without the scheme",
			       show(text).text);
	if (take_user(&text, ret, err) < 0 || split_host(text, &start, &length, &port, err) < 0)
		return -1;
	if (length >= sizeof(ret->host))
		return err_set(err, ERR_CONFIG,
			       "'%s' is too long for a host name (at most %d bytes)",
			       show(text).text, ENDPOINT_HOST_MAX);
	memcpy(ret->host, text + start, length);
	ret->host[length] = '\0';
	if (endpoint_check_host(ret->host, err) < 0)
		return -1;
	return port ? port_parse(port, &ret->port, err) : 0;
}

char *endpoint_format(char out[ENDPOINT_TEXT_MAX], const char *host, uint16_t port)
{
	snprintf(out, ENDPOINT_TEXT_MAX, strchr(host, ':') ? "[%.255s]:%u" : "%.255s:%u", host,
		 port);
	return out;
}
