/* SPDX-License-Identifier: MIT */
/*
 * A client that speaks HTTP to its proxy, or nothing that is known: it is told so in HTTP, which
 * people can read in whatever they used.
 */
#include <string.h>

#include "daemon/worker/proxy_parts.h"
#include "lib/http_request.h"
#include "lib/http_response.h"
#include "lib/util.h"

#define TLS_HANDSHAKE 0x16 /* the first byte of a ClientHello */

/* The status for a refusal of the owner; everything else is 502. */
static const struct {
	enum err_code code;
	unsigned status;
} statuses[] = {
	{ ERR_TIMEOUT, 504 }, { ERR_PROHIBITED, 403 }, { ERR_NOT_ALLOWED, 403 },
	{ ERR_LIMIT, 503 },   { ERR_NOMEM, 503 },
};

static unsigned status_for(const struct err *why)
{
	for (size_t i = 0; i < ARRAY_SIZE(statuses); i++) {
		if (statuses[i].code == why->code)
			return statuses[i].status;
	}
	return 502;
}

static void refuse(struct proxy *p, const struct err *why)
{
	unsigned status = p->request.status ? p->request.status : status_for(why);
	struct strbuf page = { 0 };

	http_page_write(status, why->msg, p->request.is_head, &page);
	flow_add_text(&p->down, &page);
}

static void grant(struct proxy *p)
{
	struct strbuf answer = { 0 };

	strbuf_add(&answer, "HTTP/1.1 200 Connection established\r\n\r\n");
	flow_add_text(&p->down, &answer);
}

static void reject(struct proxy *p, unsigned status, const struct err *err)
{
	p->request.status = status;
	proxy_reject(p, err);
}

static void reject_first_byte(struct proxy *p, unsigned char first)
{
	struct err err;

	if (first == TLS_HANDSHAKE)
		err_set(&err, ERR_PROTOCOL,
			"the client began with TLS; this is a plain proxy (SOCKS 4, 4a, 5 and "
			"HTTP): write http:// in front of its address, not https://");
	else
		err_set(&err, ERR_PROTOCOL,
			"the client began with byte 0x%02x; this port is a proxy that speaks SOCKS "
			"4, 4a, 5 and HTTP",
			first);
	reject(p, 400, &err);
}

/* What is needed of a request once its bytes are gone. */
static void keep(struct proxy *p, const struct http_request *r)
{
	struct proxy_request *kept = &p->request;

	memcpy(kept->host, r->host, sizeof(kept->host));
	kept->port = r->port;
	kept->minor = r->minor;
	kept->is_head = r->is_head;
	kept->keeps_alive = r->keeps_alive;
	kept->is_upgrade = r->is_upgrade;
	http_body_init(&kept->body, http_request_body(r), r->framing.length);
}

static bool may_enter(const struct proxy *p, const struct http_request *r)
{
	struct login login = { p->set.user, p->set.password };

	return !login.user ||
	       (r->has_authorization &&
		login_matches_basic(&login, r->authorization.at, r->authorization.size));
}

static void take_head(struct proxy *p)
{
	const char *bytes = buffer_bytes(&p->up.bytes);
	struct strbuf head = { 0 };
	struct http_request r;
	struct err err;

	if (http_request_parse(&r, bytes, &p->request.scan, &err) < 0) {
		p->request.is_head = r.is_head;
		reject(p, r.status, &err);
		return;
	}
	keep(p, &r);
	if (!may_enter(p, &r)) {
		err_set(&err, ERR_NOT_ALLOWED,
			r.has_authorization ? "the client's user or password is wrong"
					    : "this proxy wants a user and a password");
		reject(p, 407, &err);
		return;
	}
	if (!r.is_connect)
		http_request_write(&r, &head);
	buffer_drop(&p->up.bytes, p->request.scan.size);
	if (flow_add_text(&p->up, &head) < 0) {
		err_nomem(&err);
		reject(p, 503, &err);
		return;
	}
	proxy_ask(p, r.is_connect);
}

/* One who speaks no HTTP hears it at the end of his first line. */
static bool check_line(struct proxy *p)
{
	const struct http_scan *s = &p->request.scan;
	struct http_text line = { buffer_bytes(&p->up.bytes) + s->first_start, s->first_size };
	struct http_request r;
	struct err err;

	if (http_request_parse_line(&r, line, &err) == 0)
		return true;
	p->request.is_head = r.is_head;
	reject(p, r.status, &err);
	return false;
}

static void on_bytes(struct proxy *p)
{
	const char *bytes = buffer_bytes(&p->up.bytes);
	struct err err;

	if (!http_is_token_byte(bytes[0]) && bytes[0] != '\r' && bytes[0] != '\n') {
		reject_first_byte(p, (unsigned char)bytes[0]);
		return;
	}
	for (;;) {
		switch (http_scan(&p->request.scan, bytes, p->up.bytes.size)) {
		case HTTP_SCAN_MORE:
			return;
		case HTTP_SCAN_LINE:
			if (!check_line(p))
				return;
			break;
		case HTTP_SCAN_END:
			take_head(p);
			return;
		case HTTP_SCAN_BAD_LINE:
			err_set(&err, ERR_PROTOCOL,
				"a line of the request ends without CR LF; this port is a proxy "
				"that speaks SOCKS 4, 4a, 5 and HTTP");
			reject(p, 400, &err);
			return;
		case HTTP_SCAN_LONG:
			err_set(&err, ERR_LIMIT, "the head of the request is longer than %d KiB",
				HTTP_HEAD_MAX / 1024);
			reject(p, 431, &err);
			return;
		}
	}
}

const struct proxy_language proxy_http = {
	.on_bytes = on_bytes,
	.grant = grant,
	.refuse = refuse,
};
