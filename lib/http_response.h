/* SPDX-License-Identifier: MIT */
/*
 * A server's response on its way through a proxy, and the proxy's own: one line of plain text that
 * says why it did not do as it was asked.
 */
#pragma once

#include "lib/http_body.h"
#include "lib/http_head.h"

struct http_response {
	unsigned status;
	unsigned minor; /* of HTTP/1.x */
	struct http_text reason, upgrade;
	bool is_interim; /* 1xx but 101: the real one follows */
	bool is_switch; /* 101: what follows is another protocol */
	struct http_framing framing;
	struct http_head head;
};

/* A scanned head; ERR_PROTOCOL, ERR_UNSUPPORTED, ERR_LIMIT. */
int http_response_parse(struct http_response *r, const char *bytes, const struct http_scan *s,
			struct err *err);
/* is_head: it answers a HEAD request. */
enum http_body_kind http_response_body(const struct http_response *r, bool is_head);
/* connection: what is said to the client about this connection ("close"); NULL: nothing. */
void http_response_write(const struct http_response *r, const char *connection, struct strbuf *out);

/* A response of the proxy itself, after which it closes; is_head: without the text. */
void http_page_write(unsigned status, const char *text, bool is_head, struct strbuf *out);
