/* SPDX-License-Identifier: MIT */
/*
 * A text is split into fields first (by ':' with brackets and backslashes, or by '/'), and only
 * then do the fields get their meaning by their number. Whoever writes a wrong one gets to read the
 * right one.
 */
#include "lib/forward_spec.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "lib/str.h"
#include "lib/util.h"

enum {
	FIELDS_MAX = 4,
	TEXT_MAX = 2 * ENDPOINT_HOST_MAX + 64, /* two hosts, two ports, brackets and escapes */
};

struct fields {
	char buffer[TEXT_MAX + 1]; /* what the texts point into */
	char *text[FIELDS_MAX];
	bool is_path[FIELDS_MAX];
	size_t count; /* FIELDS_MAX + 1: there were more */
};

/* The text of a stranger inside a message. */
static int refuse(const char *text, const char *why, struct err *err)
{
	char shown[96];

	str_escape(shown, sizeof(shown), text, strlen(text));
	return err_set(err, ERR_CONFIG, "'%s' %s", shown, why);
}

/* Takes "[...]" off *text, which moves behind the ':' after it; NULL: brackets that do not match.
 */
static char *take_bracketed(char **text, bool *ret_more)
{
	char *field = *text + 1, *end = strchr(field, ']');

	if (!end || (end[1] != ':' && end[1] != '\0'))
		return NULL;
	*ret_more = end[1] == ':';
	*end = '\0';
	*text = end + (*ret_more ? 2 : 1);
	return field;
}

/* Takes one field off *text, removing backslashes; NULL: the text ends with one. */
static char *take_plain(char **text, bool *ret_more)
{
	char *field = *text, *to = field, *from = field;

	for (; *from != '\0' && *from != ':'; from++) {
		if (*from == '\\' && *++from == '\0')
			return NULL;
		*to++ = *from;
	}
	*ret_more = *from == ':';
	*text = from + (*ret_more ? 1 : 0);
	*to = '\0';
	return field;
}

static int split_colons(const char *text, struct fields *f, struct err *err)
{
	char *rest = f->buffer;
	bool more = true;

	strcpy(f->buffer, text);
	for (f->count = 0; more && f->count < FIELDS_MAX; f->count++) {
		bool bracketed = *rest == '[';
		char *field = bracketed ? take_bracketed(&rest, &more) : take_plain(&rest, &more);

		if (!field)
			return refuse(
				text,
				bracketed
					? "has a '[' without a matching ']' at the end of the part"
					: "ends with a backslash",
				err);
		f->text[f->count] = field;
		f->is_path[f->count] = strchr(field, '/') != NULL;
	}
	if (more)
		f->count = FIELDS_MAX + 1;
	return 0;
}

static bool is_port(const char *text)
{
	uint16_t port;

	return port_parse(text, &port, NULL) == 0;
}

static bool is_bind(const char *text)
{
	return *text == '\0' || strcmp(text, "*") == 0 || endpoint_check_host(text, NULL) == 0;
}

/* Strips the brackets of "[::1]". */
static char *unbracket(char *text)
{
	size_t length = strlen(text);

	if (length < 2 || text[0] != '[' || text[length - 1] != ']')
		return text;
	text[length - 1] = '\0';
	return text + 1;
}

/* `bind/port/host/port`. False when text is something else, a path for example. */
static bool split_slashes(const char *text, struct fields *f)
{
	char *rest = f->buffer, *field;

	strcpy(f->buffer, text);
	f->count = 0;
	while ((field = strsep(&rest, "/"))) {
		if (f->count == FIELDS_MAX)
			return false;
		f->text[f->count] = unbracket(field);
		f->is_path[f->count++] = false;
	}
	if (f->count < 3 || !is_port(f->text[f->count - 3]) || !is_port(f->text[f->count - 1]))
		return false;
	return endpoint_check_host(f->text[f->count - 2], NULL) == 0 &&
	       (f->count == 3 || is_bind(f->text[0]));
}

static int parse_listen_host(const char *text, char *ret, struct err *err)
{
	struct in6_addr address;

	if (*text == '\0' || strcmp(text, "*") == 0) {
		strcpy(ret, "*");
		return 0;
	}
	if (endpoint_check_host(text, err) < 0)
		return err_prefix(err, "where to listen");
	/* One spelling for one address, so that two forwards on it are noticed. */
	if (inet_pton(AF_INET6, text, &address) == 1) {
		inet_ntop(AF_INET6, &address, ret, ENDPOINT_HOST_MAX + 1);
		return 0;
	}
	for (size_t i = 0; i <= strlen(text); i++)
		ret[i] = (char)tolower((unsigned char)text[i]);
	return 0;
}

static int parse_listen_port(const char *text, uint16_t *ret, struct err *err)
{
	if (*text != '\0' && strspn(text, "0") == strlen(text))
		return err_set(
			err, ERR_CONFIG,
			"a local forward cannot listen on port 0; choose one from 1 to 65535");
	if (port_parse(text, ret, err) < 0)
		return err_prefix(err, "the port to listen on");
	return 0;
}

static int parse_target(const char *host, const char *port, char *ret_host, uint16_t *ret_port,
			struct err *err)
{
	if (*host == '\0')
		return err_set(err, ERR_CONFIG,
			       "the target has no host; write localhost for the server itself");
	if (endpoint_check_host(host, err) < 0 || port_parse(port, ret_port, err) < 0)
		return err_prefix(err, "the target");
	strcpy(ret_host, host);
	return 0;
}

/* What is wrong before any field is looked at. */
static int check_text(const char *text, struct err *err)
{
	if (*text == '\0')
		return err_set(err, ERR_CONFIG, "is empty; write [bind:]port:host:hostport");
	if (strlen(text) > TEXT_MAX)
		return refuse(text, "is too long for a forward", err);
	if (strstr(text, "${"))
		return refuse(text, "names an environment variable; they are not expanded here",
			      err);
	return 0;
}

static const char unix_socket[] =
	"is a Unix socket; this version of tunneld forwards TCP ports only";

/* Says what a text of `count` fields lacks to be a forward. */
static int refuse_count(const char *text, const struct fields *f, struct err *err)
{
	char hint[160];

	if (f->count > FIELDS_MAX)
		return refuse(
			text,
			"has too many parts; put IPv6 addresses in brackets: [::1]:5432:host:5432",
			err);
	if (f->count == 2 && is_port(f->text[0]) && is_port(f->text[1]))
		snprintf(hint, sizeof(hint),
			 "does not say which host to go to; write %.40s:localhost:%.40s for the "
			 "server itself",
			 f->text[0], f->text[1]);
	else if (f->count == 2 && is_port(f->text[1]))
		snprintf(hint, sizeof(hint), "does not say where to listen; write %.5s:%.90s:%.5s",
			 f->text[1], f->text[0], f->text[1]);
	else if (f->count == 1 && is_port(f->text[0]))
		snprintf(hint, sizeof(hint), "does not say where to go; write %.20s:host:port",
			 f->text[0]);
	else
		snprintf(hint, sizeof(hint), "is not a forward; write [bind:]port:host:hostport");
	return refuse(text, hint, err);
}

static bool has_path(const struct fields *f)
{
	for (size_t i = 0; i < MIN(f->count, (size_t)FIELDS_MAX); i++) {
		if (f->is_path[i])
			return true;
	}
	return false;
}

int forward_spec_parse(const char *text, struct forward_spec *ret, struct err *err)
{
	struct fields f;
	size_t listen;

	*ret = (struct forward_spec){ 0 };
	while (isspace((unsigned char)*text))
		text++;
	if (check_text(text, err) < 0)
		return -1;
	if (!strchr(text, '/') || !split_slashes(text, &f)) {
		if (split_colons(text, &f, err) < 0)
			return -1;
		if (has_path(&f))
			return refuse(text, unix_socket, err);
	}
	if (f.count != 3 && f.count != 4)
		return refuse_count(text, &f, err);
	listen = f.count - 3;
	if (parse_listen_host(listen ? f.text[0] : "localhost", ret->listen_host, err) < 0 ||
	    parse_listen_port(f.text[listen], &ret->listen_port, err) < 0 ||
	    parse_target(f.text[listen + 1], f.text[listen + 2], ret->target_host,
			 &ret->target_port, err) < 0) {
		err_prefix(err, "'%.60s'", text);
		return -1;
	}
	return 0;
}

int forward_listen_parse(const char *text, char ret_host[ENDPOINT_HOST_MAX + 1], uint16_t *ret_port,
			 struct err *err)
{
	struct fields f;

	if (check_text(text, err) < 0 || split_colons(text, &f, err) < 0)
		return -1;
	if (has_path(&f))
		return refuse(text, unix_socket, err);
	if (f.count > 2)
		return refuse(text,
			      "is not [bind:]port; put IPv6 addresses in brackets: [::1]:5432",
			      err);
	if (f.count == 1 && !is_port(f.text[0]) && strspn(f.text[0], "0123456789") == 0)
		return refuse(text, "has no port; write [bind:]port", err);
	if (parse_listen_host(f.count == 2 ? f.text[0] : "localhost", ret_host, err) < 0)
		return -1;
	return parse_listen_port(f.text[f.count - 1], ret_port, err);
}

int forward_target_parse(const char *text, char ret_host[ENDPOINT_HOST_MAX + 1], uint16_t *ret_port,
			 struct err *err)
{
	struct fields f;

	if (check_text(text, err) < 0 || split_colons(text, &f, err) < 0)
		return -1;
	if (has_path(&f))
		return refuse(text, unix_socket, err);
	if (f.count > 2)
		return refuse(text, "is not host:port; put IPv6 addresses in brackets: [::1]:5432",
			      err);
	if (f.count == 1)
		return refuse(text, "has no port; write host:port", err);
	return parse_target(f.text[0], f.text[1], ret_host, ret_port, err);
}
