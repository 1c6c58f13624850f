/* SPDX-License-Identifier: MIT */
/*
 * A request as a client makes it to a proxy: `CONNECT host:port`, or a plain one for
 * `http://host[:port]/path`; and the latter as it goes on to that host: with the path alone, the
 * Host of the target, and without the fields that were for the proxy.
 */
#pragma once

#include "lib/endpoint.h"
#include "lib/http_body.h"
#include "lib/http_head.h"

struct http_request {
	unsigned status; /* of the answer when it is refused */
	struct http_text method, authority, path; /* path: with the query; may lack its '/' */
	char host[ENDPOINT_HOST_MAX + 1];
	uint16_t port;
	unsigned minor; /* of HTTP/1.x: 0 or 1 */
	bool is_connect, is_head;
	bool keeps_alive; /* the client would send another one */
	bool is_upgrade; /* asks to go on with another protocol (WebSocket) */
	bool has_authorization; /* for the proxy */
	struct http_text authorization, upgrade;
	struct http_framing framing;
	struct http_head head;
};

/* The first line alone, so that one who speaks no HTTP hears so at once. The texts of r point into
 * it. ERR_PROTOCOL, ERR_UNSUPPORTED. */
int http_request_parse_line(struct http_request *r, struct http_text line, struct err *err);
/* All of a scanned head. */
int http_request_parse(struct http_request *r, const char *bytes, const struct http_scan *s,
		       struct err *err);
enum http_body_kind http_request_body(const struct http_request *r);
/* For the server; it is asked to close the connection afterwards. */
void http_request_write(const struct http_request *r, struct strbuf *out);
