/* SPDX-License-Identifier: MIT */
#include "lib/proxy_url.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/str.h"
#include "lib/util.h"

#define SOCKS_PORT 1080

static const struct {
	const char *name, *scheme;
	uint16_t port; /* when none is written; 0: one has to be */
} kinds[PROXY_KIND_COUNT] = {
	[PROXY_SOCKS4] = { "SOCKS4", "socks4", SOCKS_PORT },
	[PROXY_SOCKS4A] = { "SOCKS4a", "socks4a", SOCKS_PORT },
	[PROXY_SOCKS5] = { "SOCKS5", "socks5", SOCKS_PORT },
	[PROXY_HTTP] = { "HTTP", "http", 0 },
};

/* As people write them. */
static const struct {
	const char *scheme;
	enum proxy_kind kind;
} schemes[] = {
	{ "socks5", PROXY_SOCKS5 },   { "socks5h", PROXY_SOCKS5 }, { "socks4", PROXY_SOCKS4 },
	{ "socks4a", PROXY_SOCKS4A }, { "http", PROXY_HTTP },
};

/* And those that are none here. */
static const struct {
	const char *scheme, *why;
} refusals[] = {
	{ "https",
	  "a proxy that is spoken to with TLS is not supported; use its http:// or socks5:// "
	  "port, or a program as 'proxy_command' (openssl s_client, socat)" },
	{ "socks", "which SOCKS? Write socks5:// or socks4://" },
	{ "ssh", "a server on the way is written as 'jump'" },
};

#define KNOWN "write socks5://host:port, socks4://host:port or http://host:port"

const char *proxy_kind_name(enum proxy_kind kind)
{
	return kinds[kind].name;
}

static bool scheme_is(const char *text, size_t length, const char *scheme)
{
	return strlen(scheme) == length && strncasecmp(text, scheme, length) == 0;
}

/* Takes "scheme://" off the front of *text. */
static int take_scheme(const char **text, enum proxy_kind *ret, struct err *err)
{
	const char *end = strstr(*text, "://");
	size_t length = end ? (size_t)(end - *text) : 0;
	char shown[40];

	if (!end)
		return err_set(err, ERR_CONFIG, "is no URL; " KNOWN);
	for (size_t i = 0; i < ARRAY_SIZE(schemes); i++) {
		if (scheme_is(*text, length, schemes[i].scheme)) {
			*ret = schemes[i].kind;
			*text = end + strlen("://");
			return 0;
		}
	}
	str_escape(shown, sizeof(shown), *text, length);
	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
		if (scheme_is(*text, length, refusals[i].scheme))
			return err_set(err, ERR_UNSUPPORTED, "%s://: %s", shown, refusals[i].why);
	}
	return err_set(err, ERR_UNSUPPORTED, "'%s://' is not known; " KNOWN, shown);
}

static int hex_value(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *found = c ? strchr(digits, c | 0x20) : NULL;

	return found ? (int)(found - digits) : -1;
}

/* The bytes that text, up to length, stands for. */
static int decode(const char *text, size_t length, char out[PROXY_PART_MAX + 1], const char *what,
		  struct err *err)
{
	size_t used = 0;

	for (size_t i = 0; i < length; i++) {
		int byte = (unsigned char)text[i];

		if (byte == '%') {
			int high = i + 2 < length ? hex_value(text[i + 1]) : -1;
			int low = i + 2 < length ? hex_value(text[i + 2]) : -1;

			byte = high < 0 || low < 0 ? -1 : high << 4 | low;
			i += 2;
		}
		if (byte < 0)
			return err_set(
				err, ERR_CONFIG,
				"a '%%' in the %s begins %%HH with two digits; write %%25 for "
				"the sign itself",
				what);
		if (byte < ' ' || byte == 0x7f)
			return err_set(err, ERR_CONFIG, "the %s cannot contain control characters",
				       what);
		if (used == PROXY_PART_MAX)
			return err_set(err, ERR_CONFIG, "the %s can have %d bytes", what,
				       PROXY_PART_MAX);
		out[used++] = (char)byte;
	}
	out[used] = '\0';
	return 0;
}

/* Takes "user[:password]@" off the front of *text, whose authority has length bytes. */
static int take_login(const char **text, size_t *length, struct proxy_url *ret, bool *ret_has,
		      struct err *err)
{
	const char *at = memrchr(*text, '@', *length);
	size_t size = at ? (size_t)(at - *text) : 0;
	const char *colon = size > 0 ? memchr(*text, ':', size) : NULL;
	size_t user = colon ? (size_t)(colon - *text) : size;

	*ret_has = colon != NULL;
	if (!at)
		return 0;
	if (user == 0)
		return err_set(err, ERR_CONFIG, "nobody is named before the '@'");
	if (decode(*text, user, ret->user, "user", err) < 0 ||
	    (colon && decode(colon + 1, size - user - 1, ret->password, "password", err) < 0))
		return -1;
	*text += size + 1;
	*length -= size + 1;
	return 0;
}

/* What each kind of proxy can be told. */
static int check_login(const struct proxy_url *url, bool has_password, struct err *err)
{
	if (!url->user[0])
		return 0;
	switch (url->kind) {
	case PROXY_SOCKS4:
	case PROXY_SOCKS4A:
		if (has_password)
			return err_set(
				err, ERR_CONFIG,
				"SOCKS4 knows no password; write socks4://user@host:port, or "
				"socks5://");
		return 0;
	case PROXY_SOCKS5:
		if (!url->password[0])
			return err_set(err, ERR_CONFIG,
				       "SOCKS5 wants a password with the user; write "
				       "socks5://user:password@host:port");
		return 0;
	default:
		if (strchr(url->user, ':'))
			return err_set(
				err, ERR_CONFIG,
				"the user cannot contain ':', which HTTP has between user and "
				"password");
		return 0;
	}
}

/* "me:secret", with the rest forgotten: what looks like a port to others must not be repeated. */
static bool is_login(const char *authority)
{
	const char *port = strchr(authority, ':');
	uint16_t ignored;

	return port && authority[0] != '[' && port_parse(port + 1, &ignored, NULL) < 0 &&
	       port[1 + strspn(port + 1, "0123456789")] != '\0';
}

static int take_address(const char *text, size_t length, bool has_login, struct proxy_url *ret,
			struct err *err)
{
	char authority[ENDPOINT_TEXT_MAX];
	struct endpoint endpoint;

	if (length >= sizeof(authority))
		return err_set(err, ERR_CONFIG, "the host is too long");
	memcpy(authority, text, length);
	authority[length] = '\0';
	if (authority[0] != '[' && endpoint_is_ipv6(authority))
		return err_set(err, ERR_CONFIG, "in a URL an IPv6 address has brackets: [%s]",
			       authority);
	if (!has_login && is_login(authority))
		return err_set(
			err, ERR_CONFIG,
			"what stands behind the ':' is no port; a user and password are followed by "
			"@host:port");
	if (endpoint_parse(authority, &endpoint, err) < 0)
		return -1;
	ret->port = endpoint.port ? endpoint.port : kinds[ret->kind].port;
	if (ret->port == 0)
		return err_set(err, ERR_CONFIG, "the port is missing; write %s://%s:PORT",
			       kinds[ret->kind].scheme, authority);
	strcpy(ret->host, endpoint.host);
	return 0;
}

int proxy_url_parse(const char *text, struct proxy_url *ret, struct err *err)
{
	bool has_password = false;
	const char *rest;
	size_t length;

	*ret = (struct proxy_url){ 0 };
	if (take_scheme(&text, &ret->kind, err) < 0)
		return -1;
	length = strcspn(text, "/?#");
	rest = text + length;
	if (strcmp(rest, "") != 0 && strcmp(rest, "/") != 0)
		return err_set(err, ERR_CONFIG,
			       "a proxy is host:port, with nothing after it; '/', '?' and '#' in a "
			       "password are written %%2F, %%3F and %%23");
	if (take_login(&text, &length, ret, &has_password, err) < 0 ||
	    take_address(text, length, ret->user[0] != '\0', ret, err) < 0)
		return -1;
	return check_login(ret, has_password, err);
}

char *proxy_url_text(char *out, size_t size, const struct proxy_url *url)
{
	char address[ENDPOINT_TEXT_MAX], user[80];

	str_escape(user, sizeof(user), url->user, strlen(url->user));
	snprintf(out, size, "%s://%s%s%s", kinds[url->kind].scheme, user, *user ? "@" : "",
		 endpoint_format(address, url->host, url->port));
	return out;
}
