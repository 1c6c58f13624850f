/* SPDX-License-Identifier: MIT */
/*
 * A text is split into fields first (forward_fields.c), and only then do the fields get their meaning
 * by their number and by which of them are paths. Whoever writes a wrong one gets to read the right
 * one.
 */
#include "lib/forward_spec.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "lib/forward_fields.h"
#include "lib/str.h"
#include "lib/util.h"

/* How many fields belong to which half. */
struct layout {
	size_t listen; /* 1: a port or a path; 2: bind and port */
	size_t target; /* 0: none; 1: a path; 2: host and port */
};

static const char *const forms[FORWARD_TYPE_COUNT] = {
	[FORWARD_LOCAL] = "[bind:]port:host:hostport",
	[FORWARD_REMOTE] = "[bind:]port:host:hostport",
	[FORWARD_DYNAMIC] = "[bind:]port",
};

/* Whose "localhost" a target is. */
static const char *const target_owners[FORWARD_TYPE_COUNT] = {
	[FORWARD_LOCAL] = "the server itself",
	[FORWARD_REMOTE] = "this machine",
	[FORWARD_DYNAMIC] = "the server itself",
};

/* ---- what is wrong before any field is looked at ---- */

static bool is_tun_field(const char *text)
{
	return strcmp(text, "any") == 0 || (strncmp(text, "tun", 3) == 0 && text[3] &&
					    text[3 + strspn(text + 3, "0123456789")] == '\0');
}

/* `any`, `tun0:any`, `0:any`: what stands after ssh -w. */
static bool is_tun_spec(const char *text)
{
	char copy[32], *second;

	if (strncmp(text, "-w", 2) == 0)
		return true;
	if (strlen(text) >= sizeof(copy))
		return false;
	strcpy(copy, text);
	second = strchr(copy, ':');
	if (second)
		*second++ = '\0';
	return is_tun_field(copy) || (second && is_tun_field(second));
}

static int check_text(const char *text, enum forward_type type, struct err *err)
{
	if (*text == '\0')
		return err_set(err, ERR_CONFIG, "is empty; write %s", forms[type]);
	if (strlen(text) > FORWARD_TEXT_MAX)
		return forward_fields_refuse(text, "is too long for a forward", err);
	if (strstr(text, "${"))
		return forward_fields_refuse(
			text, "names an environment variable; they are not expanded here", err);
	if (is_tun_spec(text))
		return forward_fields_refuse(
			text,
			"is a tun device (ssh -w); only ports and Unix sockets are forwarded: for "
			"a whole network use 'dynamic', or a VPN",
			err);
	if (text[0] == '-' && isalpha((unsigned char)text[1]))
		return forward_fields_refuse(text, "begins with an option; leave it out", err);
	return 0;
}

/* ---- ends ---- */

static int parse_path(const char *text, struct forward_end *ret, struct err *err)
{
	if (strlen(text) > FORWARD_PATH_MAX)
		return forward_fields_refuse(
			text, "is too long for a Unix socket; a path can have 107 bytes", err);
	for (const char *c = text; *c; c++) {
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return forward_fields_refuse(
				text, "is not a path: it contains control characters", err);
	}
	*ret = (struct forward_end){ .kind = END_UNIX, .port_count = 1 };
	strcpy(ret->host, text);
	return 0;
}

/* "8000-8010" in ret->port and ret->port_count. */
static int parse_ports(const char *text, struct forward_end *ret, struct err *err)
{
	uint16_t last;

	if (port_range_parse(text, &ret->port, &last, err) < 0)
		return -1;
	if (last - ret->port >= CONFIG_PORTS_MAX)
		return err_set(err, ERR_CONFIG, "'%s' has too many ports; a range can have %d",
			       text, CONFIG_PORTS_MAX);
	ret->port_count = (uint16_t)(last - ret->port + 1);
	return 0;
}

static int parse_listen_host(const char *text, enum forward_type type, char *ret, struct err *err)
{
	struct in6_addr address;

	if (*text == '\0' || strcmp(text, "*") == 0) {
		strcpy(ret, "*");
		return 0;
	}
	if (endpoint_check_host(text, err) < 0)
		return err_prefix(err, "where to listen");
	if (type == FORWARD_REMOTE) { /* the server has the last word on what it means */
		strcpy(ret, text);
		return 0;
	}
	/* One spelling for one address, so that two forwards on it are noticed. */
	if (inet_pton(AF_INET6, text, &address) == 1) {
		inet_ntop(AF_INET6, &address, ret, ENDPOINT_HOST_MAX + 1);
		return 0;
	}
	for (size_t i = 0; i <= strlen(text); i++)
		ret[i] = (char)tolower((unsigned char)text[i]);
	return 0;
}

static int parse_listen_port(const char *text, enum forward_type type, struct forward_end *ret,
			     struct err *err)
{
	ret->port_count = 1;
	if (*text != '\0' && strspn(text, "0") == strlen(text)) {
		if (type == FORWARD_REMOTE) /* the server chooses */
			return 0;
		return err_set(err, ERR_CONFIG,
			       "a %s forward cannot listen on port 0; choose one from 1 to 65535",
			       forward_type_name(type));
	}
	if (parse_ports(text, ret, err) < 0)
		return err_prefix(err, "the port to listen on");
	if (type == FORWARD_DYNAMIC && ret->port_count > 1)
		return err_set(err, ERR_CONFIG,
			       "a dynamic forward needs no range: one port leads everywhere");
	return 0;
}

static int parse_listen(char *const *field, const bool *is_path, size_t count,
			enum forward_type type, struct forward_end *ret, struct err *err)
{
	*ret = (struct forward_end){ .kind = END_TCP };
	if (*is_path && type == FORWARD_REMOTE)
		return err_set(err, ERR_CONFIG,
			       "a Unix socket on the server cannot be listened on: libssh has no "
			       "call for it; listen on a port there instead (localhost:2222), or "
			       "use ssh -R");
	if (*is_path)
		return parse_path(*field, ret, err);
	if (parse_listen_host(count == 2 ? field[0] : "localhost", type, ret->host, err) < 0)
		return -1;
	return parse_listen_port(field[count - 1], type, ret, err);
}

static int parse_target(char *const *field, size_t count, enum forward_type type,
			struct forward_end *ret, struct err *err)
{
	*ret = (struct forward_end){ .kind = count ? END_TCP : END_PROXY, .port_count = 1 };
	if (count == 0)
		return 0;
	if (count == 1 && type == FORWARD_LOCAL && field[0][0] != '/')
		return err_set(err, ERR_CONFIG,
			       "the target is a socket on the server; its path begins with '/'");
	if (count == 1)
		return parse_path(field[0], ret, err);
	if (*field[0] == '\0')
		return err_set(err, ERR_CONFIG, "the target has no host; write localhost for %s",
			       target_owners[type]);
	if (endpoint_check_host(field[0], err) < 0 || parse_ports(field[1], ret, err) < 0)
		return err_prefix(err, "the target");
	strcpy(ret->host, field[0]);
	return 0;
}

int forward_ends_check(const struct forward_end *listen, const struct forward_end *target,
		       struct err *err)
{
	if (target->kind == END_PROXY && listen->port_count > 1)
		return err_set(err, ERR_CONFIG,
			       "without a target no range is needed: one port leads everywhere");
	if (listen->kind != END_TCP && target->kind == END_TCP && target->port_count > 1)
		return err_set(err, ERR_CONFIG, "a socket cannot lead to a range of ports");
	if (target->kind == END_UNIX && listen->port_count > 1)
		return err_set(err, ERR_CONFIG, "a range of ports cannot lead to one socket");
	if (target->kind == END_TCP && listen->port_count != target->port_count)
		return err_set(err, ERR_CONFIG,
			       "%u ports cannot lead to %u; write ranges of one length, as in "
			       "8000-8010:host:8000-8010",
			       listen->port_count, target->port_count);
	return 0;
}

/* ---- the whole ---- */

/* Says what a text lacks to be a forward of this type. */
static int refuse_layout(const char *text, const struct forward_fields *f, enum forward_type type,
			 struct err *err)
{
	bool first = f->count > 0 && !f->is_path[0] && forward_field_is_port(f->text[0]);
	bool second = f->count == 2 && !f->is_path[1] && forward_field_is_port(f->text[1]);
	char hint[200];

	if (f->count > FORWARD_FIELDS_MAX)
		snprintf(hint, sizeof(hint),
			 "has too many parts; put IPv6 addresses in brackets: [::1]:5432%s",
			 type == FORWARD_DYNAMIC ? "" : ":host:5432");
	else if (type == FORWARD_DYNAMIC && f->count > 1)
		snprintf(hint, sizeof(hint),
			 "has a target; a dynamic forward is %s, for one target write 'local'",
			 forms[type]);
	else if (first && second)
		snprintf(hint, sizeof(hint),
			 "does not say which host to go to; write %.40s:localhost:%.40s for %s",
			 f->text[0], f->text[1], target_owners[type]);
	else if (second)
		snprintf(hint, sizeof(hint),
			 "does not say where to listen; write %.11s:%.90s:%.11s", f->text[1],
			 f->text[0], f->text[1]);
	else if (first && f->count == 2)
		snprintf(hint, sizeof(hint),
			 "does not say which port to go to; write %.40s:%.90s:port", f->text[0],
			 f->text[1]);
	else if (f->count == 1 && (first || f->is_path[0]))
		snprintf(hint, sizeof(hint), "does not say where to go; write %.107s:host:port",
			 f->text[0]);
	else
		snprintf(hint, sizeof(hint), "is not a forward; write %s", forms[type]);
	return forward_fields_refuse(text, hint, err);
}

/* Which fields belong to which half; false: they make no forward. */
static bool lay_out(const struct forward_fields *f, enum forward_type type, struct layout *ret)
{
	size_t count = f->count;

	if (count == 0 || count > FORWARD_FIELDS_MAX)
		return false;
	if (f->is_path[0])
		*ret = (struct layout){ 1, count - 1 };
	else if (count > 1 && f->is_path[count - 1])
		*ret = (struct layout){ count - 1, 1 };
	else if (count > 2)
		*ret = (struct layout){ count - 2, 2 };
	else
		*ret = (struct layout){ count, 0 };
	for (size_t i = 1; i < count; i++) {
		if (f->is_path[i] && (i != ret->listen || ret->target != 1))
			return false;
	}
	if (ret->listen > 2 || ret->target > 2 || (ret->target == 1 && !f->is_path[count - 1]))
		return false;
	if (ret->target == 0 && count == 2 && forward_field_is_port(f->text[0]))
		return false; /* `2222:22` means two ports to whoever writes it */
	return type == FORWARD_REMOTE || (type == FORWARD_DYNAMIC) == (ret->target == 0);
}

int forward_spec_parse(const char *text, enum forward_type type, struct forward_spec *ret,
		       struct err *err)
{
	struct forward_fields f;
	struct layout at;
	char shown[96];

	*ret = (struct forward_spec){ 0 };
	while (isspace((unsigned char)*text))
		text++;
	if (check_text(text, type, err) < 0)
		return -1;
	if (!strchr(text, '/') || !forward_fields_split_slashes(text, type, &f)) {
		if (forward_fields_split(text, &f, err) < 0)
			return -1;
	}
	if (!lay_out(&f, type, &at))
		return refuse_layout(text, &f, type, err);
	if (parse_listen(f.text, f.is_path, at.listen, type, &ret->listen, err) == 0 &&
	    parse_target(f.text + at.listen, at.target, type, &ret->target, err) == 0 &&
	    forward_ends_check(&ret->listen, &ret->target, err) == 0)
		return 0;
	return err_prefix(err, "'%s'", str_escape(shown, sizeof(shown), text, strlen(text)));
}

int forward_listen_parse(const char *text, enum forward_type type, struct forward_end *ret,
			 struct err *err)
{
	struct forward_fields f;

	if (check_text(text, type, err) < 0 || forward_fields_split(text, &f, err) < 0)
		return -1;
	if (f.count > 2)
		return forward_fields_refuse(
			text, "is not [bind:]port; put IPv6 addresses in brackets: [::1]:5432",
			err);
	if (f.is_path[0] ? f.count != 1 : f.count == 2 && f.is_path[1])
		return forward_fields_refuse(
			text, "is neither [bind:]port nor a path; write '\\:' for a ':' in a path",
			err);
	if (f.count == 1 && !f.is_path[0] && !forward_field_is_port(f.text[0]) &&
	    strspn(f.text[0], "0123456789") == 0)
		return forward_fields_refuse(
			text, "has no port; write [bind:]port, or the path of a socket", err);
	return parse_listen(f.text, f.is_path, f.count, type, ret, err);
}

int forward_target_parse(const char *text, enum forward_type type, struct forward_end *ret,
			 struct err *err)
{
	struct forward_fields f;

	if (check_text(text, type, err) < 0 || forward_fields_split(text, &f, err) < 0)
		return -1;
	if (f.count > 2)
		return forward_fields_refuse(
			text, "is not host:port; put IPv6 addresses in brackets: [::1]:5432", err);
	if (f.count == 2 && (f.is_path[0] || f.is_path[1]))
		return forward_fields_refuse(
			text, "is neither host:port nor a path; write '\\:' for a ':' in a path",
			err);
	if (f.count == 1 && !f.is_path[0])
		return forward_fields_refuse(
			text, "has no port; write host:port, or the path of a socket", err);
	return parse_target(f.text, f.count, type, ret, err);
}
