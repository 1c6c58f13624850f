/* SPDX-License-Identifier: MIT */
#include "lib/http_request.h"

#include <string.h>
#include <strings.h>

#include "lib/util.h"

#define HTTP_PORT 80
#define SCHEME "http://"
#define SCHEME_SIZE (sizeof(SCHEME) - 1)
#define VERSION "HTTP/1."
#define VERSION_SIZE (sizeof(VERSION) - 1)

static int refuse(struct http_request *r, unsigned status)
{
	r->status = status;
	return -1;
}

/* ---- the first line ---- */

static int parse_version(struct http_request *r, struct http_text version, struct err *err)
{
	if (version.size == VERSION_SIZE + 1 && memcmp(version.at, VERSION, VERSION_SIZE) == 0 &&
	    (version.at[VERSION_SIZE] == '0' || version.at[VERSION_SIZE] == '1')) {
		r->minor = (unsigned)(version.at[VERSION_SIZE] - '0');
		return 0;
	}
	if (version.size > 5 && memcmp(version.at, "HTTP/", 5) == 0) {
		err_set(err, ERR_UNSUPPORTED, "this proxy speaks HTTP/1.0 and HTTP/1.1 only");
		return refuse(r, 505);
	}
	err_set(err, ERR_PROTOCOL,
		"this is not HTTP; this port is a proxy that speaks SOCKS 4, 4a, 5 and HTTP");
	return refuse(r, 400);
}

static int parse_port(struct http_text text, uint16_t *ret)
{
	unsigned port = 0;

	for (size_t i = 0; i < text.size; i++) {
		if (text.at[i] < '0' || text.at[i] > '9' || port > UINT16_MAX)
			return -1;
		port = port * 10 + (unsigned)(text.at[i] - '0');
	}
	if (text.size == 0 || port == 0 || port > UINT16_MAX)
		return -1;
	*ret = (uint16_t)port;
	return 0;
}

static int copy_host(struct http_request *r, struct http_text host, bool in_brackets,
		     struct err *err)
{
	if (host.size >= sizeof(r->host))
		return err_set(err, ERR_PROTOCOL, "the host name has more than %d bytes",
			       ENDPOINT_HOST_MAX);
	memcpy(r->host, host.at, host.size);
	r->host[host.size] = '\0';
	if (strlen(r->host) != host.size)
		return err_set(err, ERR_PROTOCOL, "the host name contains a NUL");
	if (endpoint_check_host(r->host, err) < 0) {
		err->code = ERR_PROTOCOL;
		return -1;
	}
	if (in_brackets != endpoint_is_ipv6(r->host))
		return err_set(err, ERR_PROTOCOL,
			       "an IPv6 address stands in brackets, and nothing else does");
	return 0;
}

/* host[:port], [IPv6][:port]; default_port 0: it must be there. */
static int parse_authority(struct http_request *r, uint16_t default_port, struct err *err)
{
	struct http_text rest = r->authority, host;
	bool in_brackets = rest.size > 0 && rest.at[0] == '[';
	bool has_port;

	if (in_brackets) {
		rest.at++;
		rest.size--;
		if (!http_text_cut(&rest, ']', &host))
			return err_set(err, ERR_PROTOCOL, "a '[' without its ']' in the host");
		has_port = rest.size > 0;
		if (has_port && rest.at[0] != ':')
			return err_set(err, ERR_PROTOCOL, "only a port may follow the ']'");
		rest.at += has_port;
		rest.size -= has_port;
	} else {
		has_port = http_text_cut(&rest, ':', &host);
		if (!has_port)
			host = rest;
	}
	if (copy_host(r, host, in_brackets, err) < 0)
		return -1;
	r->port = default_port;
	if (default_port && (!has_port || rest.size == 0))
		return 0;
	if (!has_port)
		return err_set(err, ERR_PROTOCOL, "the port is missing; write host:port");
	if (parse_port(rest, &r->port) < 0)
		return err_set(err, ERR_PROTOCOL, "the port is not a number from 1 to 65535");
	return 0;
}

static int parse_connect(struct http_request *r, struct http_text target, struct err *err)
{
	r->authority = target;
	if (parse_authority(r, 0, err) == 0)
		return 0;
	err_prefix(err, "the target of CONNECT cannot be read");
	return refuse(r, 400);
}

static bool begins_with(struct http_text text, const char *word)
{
	size_t size = strlen(word);

	return text.size >= size && strncasecmp(text.at, word, size) == 0;
}

static int refuse_target(struct http_request *r, struct http_text target, struct err *err)
{
	if (begins_with(target, "https://"))
		err_set(err, ERR_UNSUPPORTED,
			"this proxy cannot fetch https:// for its client; ask with CONNECT "
			"host:port, as clients do for their https_proxy");
	else if (begins_with(target, "/") || http_text_is(target, "*"))
		err_set(err, ERR_PROTOCOL,
			"this port is a proxy (SOCKS 4, 4a, 5 and HTTP), not a web server; enter "
			"it as the proxy of a client");
	else
		err_set(err, ERR_UNSUPPORTED,
			"this proxy fetches http://host/path only; for everything else use "
			"CONNECT or SOCKS");
	return refuse(r, 400);
}

static int parse_target(struct http_request *r, struct http_text target, struct err *err)
{
	size_t size = 0;

	if (!begins_with(target, SCHEME))
		return refuse_target(r, target, err);
	target.at += SCHEME_SIZE;
	target.size -= SCHEME_SIZE;
	while (size < target.size && !strchr("/?", target.at[size]))
		size++;
	r->authority = (struct http_text){ target.at, size };
	r->path = (struct http_text){ target.at + size, target.size - size };
	if (memchr(target.at, '#', target.size))
		err_set(err, ERR_PROTOCOL, "a '#' in the address of a request");
	else if (parse_authority(r, HTTP_PORT, err) == 0)
		return 0;
	err_prefix(err, "the address of the request cannot be read");
	return refuse(r, 400);
}

static bool is_visible(struct http_text text)
{
	for (size_t i = 0; i < text.size; i++) {
		if ((unsigned char)text.at[i] <= ' ' || text.at[i] == 0x7f)
			return false;
	}
	return text.size > 0;
}

int http_request_parse_line(struct http_request *r, struct http_text line, struct err *err)
{
	struct http_text target = { line.at, 0 };
	bool is_line = http_text_cut(&line, ' ', &r->method) && http_text_cut(&line, ' ', &target);

	r->status = 0;
	r->is_connect = r->is_head = false;
	r->path = (struct http_text){ line.at, 0 };
	if (parse_version(r, is_line ? line : target, err) < 0)
		return -1;
	if (!http_is_token(r->method) || !is_visible(target)) {
		err_set(err, ERR_PROTOCOL, "the first line of the request is malformed");
		return refuse(r, 400);
	}
	r->is_connect = r->method.size == 7 && memcmp(r->method.at, "CONNECT", 7) == 0;
	r->is_head = r->method.size == 4 && memcmp(r->method.at, "HEAD", 4) == 0;
	return r->is_connect ? parse_connect(r, target, err) : parse_target(r, target, err);
}

/* ---- the fields ---- */

static int check_framing(struct http_request *r, struct err *err)
{
	if (http_framing_read(&r->framing, &r->head, err) < 0)
		return refuse(r, err->code == ERR_UNSUPPORTED ? 501 : 400);
	if (r->framing.is_chunked && r->minor == 0) {
		err_set(err, ERR_PROTOCOL, "'Transfer-Encoding' in a request of HTTP/1.0");
		return refuse(r, 400);
	}
	if (r->is_connect && (r->framing.is_chunked || r->framing.length > 0)) {
		err_set(err, ERR_PROTOCOL, "CONNECT with a body");
		return refuse(r, 400);
	}
	return 0;
}

static bool keeps_alive(const struct http_request *r)
{
	struct http_text list = { 0 };

	http_head_find(&r->head, "Proxy-Connection", &list);
	if (http_head_has_option(&r->head, "close") || http_list_has(list, "close"))
		return false;
	return r->minor > 0 || http_head_has_option(&r->head, "keep-alive") ||
	       http_list_has(list, "keep-alive");
}

static int read_fields(struct http_request *r, struct err *err)
{
	struct http_text host;

	if (http_head_find(&r->head, "Host", &host) > 1) {
		err_set(err, ERR_PROTOCOL, "more than one 'Host' in a request");
		return refuse(r, 400);
	}
	switch (http_head_find(&r->head, "Proxy-Authorization", &r->authorization)) {
	case 0:
		r->has_authorization = false;
		break;
	case 1:
		r->has_authorization = true;
		break;
	default:
		err_set(err, ERR_PROTOCOL, "more than one 'Proxy-Authorization' in a request");
		return refuse(r, 400);
	}
	r->keeps_alive = keeps_alive(r);
	r->is_upgrade = r->minor > 0 && http_head_has_option(&r->head, "upgrade") &&
			http_head_find(&r->head, "Upgrade", &r->upgrade) == 1;
	return 0;
}

int http_request_parse(struct http_request *r, const char *bytes, const struct http_scan *s,
		       struct err *err)
{
	struct http_text line = { bytes + s->first_start, s->first_size };

	if (http_request_parse_line(r, line, err) < 0)
		return -1;
	if (http_head_parse(&r->head, bytes, s, err) < 0)
		return refuse(r, err->code == ERR_LIMIT ? 431 : 400);
	return read_fields(r, err) < 0 ? -1 : check_framing(r, err);
}

enum http_body_kind http_request_body(const struct http_request *r)
{
	if (r->framing.is_chunked)
		return HTTP_BODY_CHUNKED;
	return r->framing.has_length ? HTTP_BODY_LENGTH : HTTP_BODY_NONE;
}

/* ---- to the server ---- */

static void write_path(const struct http_request *r, struct strbuf *out)
{
	if (r->path.size == 0 && r->method.size == 7 && memcmp(r->method.at, "OPTIONS", 7) == 0) {
		strbuf_add(out, "*"); /* RFC 9112, 3.2.4 */
		return;
	}
	if (r->path.size == 0 || r->path.at[0] != '/')
		strbuf_add(out, "/");
	strbuf_add_bytes(out, r->path.at, r->path.size);
}

static void write_host(const struct http_request *r, struct strbuf *out)
{
	bool is_ipv6 = endpoint_is_ipv6(r->host);

	strbuf_addf(out, "\r\nHost: %s%s%s", is_ipv6 ? "[" : "", r->host, is_ipv6 ? "]" : "");
	if (r->port != HTTP_PORT)
		strbuf_addf(out, ":%u", r->port);
	strbuf_add(out, "\r\n");
}

void http_request_write(const struct http_request *r, struct strbuf *out)
{
	strbuf_add_bytes(out, r->method.at, r->method.size);
	strbuf_add(out, " ");
	write_path(r, out);
	strbuf_addf(out, " HTTP/1.%u", r->minor);
	write_host(r, out);
	http_head_write_fields(&r->head, "Host", out);
	http_framing_write(&r->framing, out);
	if (r->is_upgrade) {
		strbuf_add(out, "Connection: Upgrade\r\nUpgrade: ");
		strbuf_add_bytes(out, r->upgrade.at, r->upgrade.size);
		strbuf_add(out, "\r\n\r\n");
	} else {
		strbuf_add(out, "Connection: close\r\n\r\n");
	}
}
