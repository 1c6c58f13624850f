/* SPDX-License-Identifier: MIT */
/*
 * Heads of requests and responses: what is made of them for the next hop, and what is refused; each
 * scanned at once and byte by byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/http_request.h"
#include "lib/http_response.h"
#include "lib/util.h"

/* Scans until something but LINE and MORE is said, in steps. */
static enum http_scan_result scan(struct http_scan *s, const char *bytes, size_t size, size_t step)
{
	enum http_scan_result result = HTTP_SCAN_MORE;
	size_t given = 0;

	while (given < size && result == HTTP_SCAN_MORE) {
		given = MIN(given + step, size);
		do
			result = http_scan(s, bytes, given);
		while (result == HTTP_SCAN_LINE);
	}
	return result;
}

static void scan_all(struct http_scan *s, const char *text)
{
	for (size_t step = 1; step <= strlen(text); step += strlen(text) - 1) {
		*s = (struct http_scan){ .is_lenient = s->is_lenient };
		if (scan(s, text, strlen(text), step) != HTTP_SCAN_END)
			fail_msg("no end: %s", text);
	}
}

static struct http_request request;
static struct http_response response;

static int parse_request(const char *text, struct err *err)
{
	struct http_scan s = { 0 };

	scan_all(&s, text);
	return http_request_parse(&request, text, &s, err);
}

static int parse_response(const char *text, struct err *err)
{
	struct http_scan s = { .is_lenient = true };

	scan_all(&s, text);
	return http_response_parse(&response, text, &s, err);
}

static void assert_text(struct strbuf *b, const char *expected)
{
	assert_false(b->failed);
	assert_string_equal(b->data, expected);
	strbuf_fini(b);
}

/* ---- scanning ---- */

static const struct {
	const char *text;
	bool is_lenient;
	enum http_scan_result result;
	size_t size;
} scans[] = {
	{ "", false, HTTP_SCAN_MORE, 0 },
	{ "GET", false, HTTP_SCAN_MORE, 0 },
	{ "GET\r\n\r", false, HTTP_SCAN_MORE, 0 },
	{ "GET\r\n\r\n", false, HTTP_SCAN_END, 7 },
	{ "GET\r\n\r\nbody\r\n\r\n", false, HTTP_SCAN_END, 7 },
	{ "\r\n\r\nGET\r\nA: b\r\n\r\nx", false, HTTP_SCAN_END, 17 },
	{ "\r\n\r\n", false, HTTP_SCAN_MORE, 0 },
	{ "GET\n", false, HTTP_SCAN_BAD_LINE, 0 },
	{ "GET\r\nA: b\n\r\n", false, HTTP_SCAN_BAD_LINE, 0 },
	{ "GET\r\n\n", false, HTTP_SCAN_BAD_LINE, 0 },
	{ "GET\n\nbody", true, HTTP_SCAN_END, 5 },
	{ "GET\r\nA: b\n\r\nbody", true, HTTP_SCAN_END, 12 },
};

static void test_scan(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(scans); i++) {
		size_t size = strlen(scans[i].text);

		for (size_t step = 1; step <= size; step++) {
			struct http_scan s = { .is_lenient = scans[i].is_lenient };

			assert_int_equal(scan(&s, scans[i].text, size, step), scans[i].result);
			assert_int_equal(s.size, scans[i].size);
		}
	}
}

static void test_scan_is_bounded(void **state)
{
	char *text = malloc(HTTP_HEAD_MAX + 1);
	struct http_scan s = { 0 };

	assert_non_null(text);
	memset(text, 'a', HTTP_HEAD_MAX + 1);
	assert_int_equal(http_scan(&s, text, HTTP_HEAD_MAX - 1), HTTP_SCAN_MORE);
	assert_int_equal(http_scan(&s, text, HTTP_HEAD_MAX), HTTP_SCAN_LONG);
	s = (struct http_scan){ 0 };
	memcpy(text + 1, "\r\n", 2);
	memcpy(text + HTTP_HEAD_MAX - 4, "\r\n\r\n", 4);
	assert_int_equal(scan(&s, text, HTTP_HEAD_MAX + 1, 1000), HTTP_SCAN_END);
	assert_int_equal(s.size, HTTP_HEAD_MAX);
	s = (struct http_scan){ 0 };
	memmove(text + HTTP_HEAD_MAX - 3, "\r\n\r\n", 4);
	text[HTTP_HEAD_MAX - 4] = 'a';
	assert_int_equal(scan(&s, text, HTTP_HEAD_MAX + 1, 1000), HTTP_SCAN_LONG);
	free(text);
}

/* ---- requests ---- */

/* clang-format off */
static const struct {
	const char *head, *host;
	uint16_t port;
	const char *forwarded; /* NULL: CONNECT */
} requests[] = {
	{ "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n", "example.com", 443, NULL },
	{ "CONNECT example.com:22 HTTP/1.0\r\n\r\n", "example.com", 22, NULL },
	{ "CONNECT [2001:db8::7]:443 HTTP/1.1\r\nContent-Length: 0\r\n\r\n", "2001:db8::7", 443, NULL },
	{ "GET http://example.com/a?b=c HTTP/1.1\r\nHost: other\r\nAccept: */*\r\n\r\n", "example.com", 80,
	  "GET /a?b=c HTTP/1.1\r\nHost: example.com\r\nAccept: */*\r\nConnection: close\r\n\r\n" },
	{ "\r\nGET HTTP://example.com HTTP/1.0\r\n\r\n", "example.com", 80,
	  "GET / HTTP/1.0\r\nHost: example.com\r\nConnection: close\r\n\r\n" },
	{ "GET http://example.com:/ HTTP/1.1\r\n\r\n", "example.com", 80,
	  "GET / HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n" },
	{ "GET http://example.com:80?q HTTP/1.1\r\n\r\n", "example.com", 80,
	  "GET /?q HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n" },
	{ "GET http://[::1]:8080/ HTTP/1.1\r\n\r\n", "::1", 8080,
	  "GET / HTTP/1.1\r\nHost: [::1]:8080\r\nConnection: close\r\n\r\n" },
	{ "OPTIONS http://h HTTP/1.1\r\n\r\n", "h", 80,
	  "OPTIONS * HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n" },
	{ "OPTIONS http://h/ HTTP/1.1\r\n\r\n", "h", 80,
	  "OPTIONS / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n" },
	{ "POST http://h/ HTTP/1.1\r\ncontent-length:  12 \r\nExpect: 100-continue\r\n\r\n", "h", 80,
	  "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 12\r\n"
	  "Connection: close\r\n\r\n" },
	{ "POST http://h/ HTTP/1.1\r\nTrailer: D\r\nTransfer-Encoding: Chunked\r\nTE: trailers\r\n\r\n", "h", 80,
	  "POST / HTTP/1.1\r\nHost: h\r\nTrailer: D\r\nTransfer-Encoding: chunked\r\n"
	  "Connection: close\r\n\r\n" },
	/* what is about this connection stays here */
	{ "GET http://h/ HTTP/1.1\r\nProxy-Connection: keep-alive\r\nProxy-Authorization: Basic eA==\r\n"
	  "Connection: keep-alive, X-Mine ,,x-other\r\nX-MINE: 1\r\nX-Other: 2\r\nX-Third: 3\r\n"
	  "Keep-Alive: timeout=5\r\nUpgrade: h2c\r\n\r\n", "h", 80,
	  "GET / HTTP/1.1\r\nHost: h\r\nX-Third: 3\r\nConnection: close\r\n\r\n" },
	/* naming the length there does not hide the body */
	{ "POST http://h/ HTTP/1.1\r\nConnection: Content-Length, Host\r\nContent-Length: 2\r\n\r\n", "h", 80,
	  "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nConnection: close\r\n\r\n" },
	{ "GET http://h/chat HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
	  "Sec-WebSocket-Version: 13\r\n\r\n", "h", 80,
	  "GET /chat HTTP/1.1\r\nHost: h\r\nSec-WebSocket-Version: 13\r\nConnection: Upgrade\r\n"
	  "Upgrade: websocket\r\n\r\n" },
	{ "GET http://h/chat HTTP/1.0\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", "h", 80,
	  "GET /chat HTTP/1.0\r\nHost: h\r\nConnection: close\r\n\r\n" },
	{ "GET http://h/ HTTP/1.1\r\nEmpty:\r\nTab:\ta\tb\t\r\nHigh: \xc3\xbc\r\n\r\n", "h", 80,
	  "GET / HTTP/1.1\r\nHost: h\r\nEmpty: \r\nTab: a\tb\r\nHigh: \xc3\xbc\r\nConnection: close\r\n\r\n" },
};

static const struct {
	const char *head;
	unsigned status;
	const char *says;
} bad_requests[] = {
	{ "hello\r\n\r\n", 400, "this is not HTTP; this port is a proxy" },
	{ "EHLO mail.example.com\r\n\r\n", 400, "this is not HTTP" },
	{ "SSH-2.0-OpenSSH_9.2\r\n\r\n", 400, "this is not HTTP" },
	{ "GET /\r\n\r\n", 400, "this is not HTTP" },
	{ "GET  http://h/ HTTP/1.1\r\n\r\n", 400, "this is not HTTP" },
	{ "GET http://h/ HTTP/1.1 \r\n\r\n", 505, "HTTP/1.0 and HTTP/1.1 only" },
	{ "GET http://h/ http/1.1\r\n\r\n", 400, "this is not HTTP" },
	{ "PRI * HTTP/2.0\r\n\r\n", 505, "HTTP/1.0 and HTTP/1.1 only" },
	{ "GET http://h/ HTTP/1.10\r\n\r\n", 505, "HTTP/1.0 and HTTP/1.1 only" },
	{ "G(T http://h/ HTTP/1.1\r\n\r\n", 400, "malformed" },
	{ "GET http://h/\x01 HTTP/1.1\r\n\r\n", 400, "malformed" },
	{ "GET http://h/\ta HTTP/1.1\r\n\r\n", 400, "malformed" },
	{ "GET / HTTP/1.1\r\nHost: h\r\n\r\n", 400, "not a web server" },
	{ "OPTIONS * HTTP/1.1\r\n\r\n", 400, "not a web server" },
	{ "GET https://h/ HTTP/1.1\r\n\r\n", 400, "ask with CONNECT" },
	{ "GET ftp://h/ HTTP/1.1\r\n\r\n", 400, "http://host/path only" },
	{ "GET h:80 HTTP/1.1\r\n\r\n", 400, "http://host/path only" },
	{ "GET http:/// HTTP/1.1\r\n\r\n", 400, "the host name is empty" },
	{ "GET http://me:pw@h/ HTTP/1.1\r\n\r\n", 400, "cannot be read" },
	{ "GET http://h/#top HTTP/1.1\r\n\r\n", 400, "a '#'" },
	{ "GET http://h#top HTTP/1.1\r\n\r\n", 400, "a '#'" },
	{ "GET http://::1/ HTTP/1.1\r\n\r\n", 400, "the host name is empty" },
	{ "GET http://[::1/ HTTP/1.1\r\n\r\n", 400, "without its ']'" },
	{ "GET http://[h]/ HTTP/1.1\r\n\r\n", 400, "stands in brackets" },
	{ "GET http://[::1]80/ HTTP/1.1\r\n\r\n", 400, "only a port" },
	{ "GET http://h%20/ HTTP/1.1\r\n\r\n", 400, "'%' cannot stand in one" },
	{ "GET http://h:0/ HTTP/1.1\r\n\r\n", 400, "from 1 to 65535" },
	{ "GET http://h:65536/ HTTP/1.1\r\n\r\n", 400, "from 1 to 65535" },
	{ "GET http://h:http/ HTTP/1.1\r\n\r\n", 400, "from 1 to 65535" },
	{ "CONNECT h HTTP/1.1\r\n\r\n", 400, "the port is missing" },
	{ "CONNECT h: HTTP/1.1\r\n\r\n", 400, "from 1 to 65535" },
	{ "CONNECT h:99999999999999999999 HTTP/1.1\r\n\r\n", 400, "from 1 to 65535" },
	{ "CONNECT ::1:443 HTTP/1.1\r\n\r\n", 400, "the host name is empty" },
	{ "CONNECT http://h:80/ HTTP/1.1\r\n\r\n", 400, "from 1 to 65535" },
	{ "CONNECT h:443 HTTP/1.1\r\nContent-Length: 1\r\n\r\n", 400, "CONNECT with a body" },
	{ "CONNECT h:443 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "CONNECT with a body" },
	/* fields */
	{ "GET http://h/ HTTP/1.1\r\nA : b\r\n\r\n", 400, "malformed name" },
	{ "GET http://h/ HTTP/1.1\r\n: b\r\n\r\n", 400, "malformed name" },
	{ "GET http://h/ HTTP/1.1\r\nA b\r\n\r\n", 400, "without a colon" },
	{ "GET http://h/ HTTP/1.1\r\nA: b\r\n c\r\n\r\n", 400, "folded" },
	{ "GET http://h/ HTTP/1.1\r\n A: b\r\n\r\n", 400, "folded" },
	{ "GET http://h/ HTTP/1.1\r\nA: b\rc\r\n\r\n", 400, "control character" },
	{ "GET http://h/ HTTP/1.1\r\nA: b\x7f\r\n\r\n", 400, "control character" },
	{ "GET http://h/ HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400, "more than one 'Host'" },
	{ "GET http://h/ HTTP/1.1\r\nProxy-Authorization: a\r\nProxy-authorization: b\r\n\r\n", 400,
	  "more than one 'Proxy-Authorization'" },
	/* where does the body end? */
	{ "POST http://h/ HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", 400, "where the message ends" },
	{ "POST http://h/ HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400,
	  "where the message ends" },
	{ "POST http://h/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400,
	  "where the message ends" },
	{ "POST http://h/ HTTP/1.1\r\nContent-Length: 1, 1\r\n\r\n", 400, "not one number" },
	{ "POST http://h/ HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400, "not one number" },
	{ "POST http://h/ HTTP/1.1\r\nContent-Length: +1\r\n\r\n", 400, "not one number" },
	{ "POST http://h/ HTTP/1.1\r\nContent-Length: 0x1\r\n\r\n", 400, "not one number" },
	{ "POST http://h/ HTTP/1.1\r\nContent-Length:\r\n\r\n", 400, "is empty" },
	{ "POST http://h/ HTTP/1.1\r\nContent-Length: 9999999999999999999\r\n\r\n", 400, "too large" },
	{ "POST http://h/ HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501, "is not 'chunked'" },
	{ "POST http://h/ HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n\r\n", 501, "is not 'chunked'" },
	{ "POST http://h/ HTTP/1.1\r\nTransfer-Encoding:\r\n\r\n", 501, "is not 'chunked'" },
	{ "POST http://h/ HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "HTTP/1.0" },
};
/* clang-format on */

static void test_requests(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
		struct strbuf out = { 0 };
		struct err err;

		if (parse_request(requests[i].head, &err) < 0)
			fail_msg("%s: %s", requests[i].head, err.msg);
		assert_string_equal(request.host, requests[i].host);
		assert_int_equal(request.port, requests[i].port);
		assert_int_equal(request.is_connect, !requests[i].forwarded);
		if (request.is_connect)
			continue;
		http_request_write(&request, &out);
		assert_text(&out, requests[i].forwarded);
	}
}

static void test_bad_requests(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad_requests); i++) {
		struct err err;

		if (parse_request(bad_requests[i].head, &err) == 0)
			fail_msg("accepted: %s", bad_requests[i].head);
		if (!strstr(err.msg, bad_requests[i].says))
			fail_msg("%s: %s", bad_requests[i].head, err.msg);
		if (request.status != bad_requests[i].status)
			fail_msg("%s: %u", bad_requests[i].head, request.status);
	}
}

static const struct {
	const char *version, *fields;
	bool keeps_alive;
} alive[] = {
	{ "1.1", "", true },
	{ "1.1", "Connection: close\r\n", false },
	{ "1.1", "Connection: x, Close\r\n", false },
	{ "1.1", "Proxy-Connection: close\r\n", false },
	{ "1.1", "Proxy-Connection: Keep-Alive\r\n", true },
	{ "1.0", "", false },
	{ "1.0", "Connection: Keep-Alive\r\n", true },
	{ "1.0", "Proxy-Connection: Keep-Alive\r\n", true },
	{ "1.0", "Connection: keep-alive, close\r\n", false },
};

static void test_keep_alive(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(alive); i++) {
		char text[200];
		struct err err;

		snprintf(text, sizeof(text), "GET http://h/ HTTP/%s\r\n%s\r\n", alive[i].version,
			 alive[i].fields);
		assert_int_equal(parse_request(text, &err), 0);
		assert_int_equal(request.keeps_alive, alive[i].keeps_alive);
	}
}

static int parse_repeated(const char *field, int count, struct err *err)
{
	struct strbuf text = { 0 };
	int result;

	strbuf_add(&text, "GET http://h/ HTTP/1.1\r\n");
	for (int i = 0; i < count; i++)
		strbuf_add(&text, field);
	strbuf_add(&text, "\r\n");
	result = parse_request(text.data, err);
	strbuf_fini(&text);
	return result;
}

static void test_fields_are_bounded(void **state)
{
	struct err err;

	assert_int_equal(parse_repeated("A: b\r\n", HTTP_FIELDS_MAX, &err), 0);
	assert_int_equal(parse_repeated("A: b\r\n", HTTP_FIELDS_MAX + 1, &err), -1);
	assert_int_equal(request.status, 431);
	assert_int_equal(parse_repeated("Connection: b\r\n", HTTP_OPTIONS_MAX, &err), 0);
	assert_int_equal(parse_repeated("Connection: b\r\n", HTTP_OPTIONS_MAX + 1, &err), -1);
	assert_int_equal(request.status, 431);
}

/* The first line alone is enough to tell who speaks no HTTP. */
static void test_first_line_is_judged_alone(void **state)
{
	struct http_text line = { "USER anonymous", 14 };
	struct err err;

	assert_int_equal(http_request_parse_line(&request, line, &err), -1);
	assert_int_equal(request.status, 400);
}

/* ---- responses ---- */

/* clang-format off */
static const struct {
	const char *head;
	bool is_head;
	enum http_body_kind body;
	const char *forwarded;
} responses[] = {
	{ "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nA: b\r\n\r\n", false, HTTP_BODY_LENGTH,
	  "HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 5\r\n\r\n" },
	{ "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", true, HTTP_BODY_NONE,
	  "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" },
	{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nKeep-Alive: x\r\n\r\n", false, HTTP_BODY_CHUNKED,
	  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" },
	{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", true, HTTP_BODY_NONE,
	  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" },
	{ "HTTP/1.0 200 OK\nA: b\n\n", false, HTTP_BODY_UNTIL_END, "HTTP/1.1 200 OK\r\nA: b\r\n\r\n" },
	{ "HTTP/1.1 200\r\n\r\n", false, HTTP_BODY_UNTIL_END, "HTTP/1.1 200 \r\n\r\n" },
	{ "HTTP/1.1 200 \r\n\r\n", false, HTTP_BODY_UNTIL_END, "HTTP/1.1 200 \r\n\r\n" },
	{ "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", false, HTTP_BODY_NONE,
	  "HTTP/1.1 204 No Content\r\n\r\n" },
	{ "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", false, HTTP_BODY_NONE,
	  "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n" },
	{ "HTTP/1.1 100 Continue\r\n\r\n", false, HTTP_BODY_NONE, "HTTP/1.1 100 Continue\r\n\r\n" },
	{ "HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", false, HTTP_BODY_NONE,
	  "HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n" },
	{ "HTTP/1.1 407 Proxy\r\nProxy-Authenticate: Basic\r\nConnection: X-A\r\nX-A: 1\r\nContent-Length: 0\r\n\r\n",
	  false, HTTP_BODY_LENGTH, "HTTP/1.1 407 Proxy\r\nContent-Length: 0\r\n\r\n" },
};

static const struct {
	const char *head, *says;
} bad_responses[] = {
	{ "SSH-2.0-OpenSSH_9.2\r\n\r\n", "does not speak HTTP/1" },
	{ "HTTP/2 200\r\n\r\n", "does not speak HTTP/1" },
	{ "ICY 200 OK\r\n\r\n", "does not speak HTTP/1" },
	{ "HTTP/1.1 20 OK\r\n\r\n", "without a status" },
	{ "HTTP/1.1 2000\r\n\r\n", "without a status" },
	{ "HTTP/1.1 000 x\r\n\r\n", "without a status" },
	{ "HTTP/1.1 200 a\rb\r\n\r\n", "control character" },
	{ "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "where the message ends" },
	{ "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "where the message ends" },
	{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "is not 'chunked'" },
	{ "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.0" },
	{ "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", "folded" },
	{ "HTTP/1.1 101 Switching\r\n\r\n", "does not say to which" },
};
/* clang-format on */

static void test_responses(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(responses); i++) {
		struct strbuf out = { 0 };
		struct err err;

		if (parse_response(responses[i].head, &err) < 0)
			fail_msg("%s: %s", responses[i].head, err.msg);
		assert_int_equal(http_response_body(&response, responses[i].is_head),
				 responses[i].body);
		http_response_write(&response, NULL, &out);
		assert_text(&out, responses[i].forwarded);
	}
}

static void test_bad_responses(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad_responses); i++) {
		struct err err;

		if (parse_response(bad_responses[i].head, &err) == 0)
			fail_msg("accepted: %s", bad_responses[i].head);
		if (!strstr(err.msg, bad_responses[i].says))
			fail_msg("%s: %s", bad_responses[i].head, err.msg);
	}
}

static void test_what_is_said_about_the_connection(void **state)
{
	struct strbuf out = { 0 };
	struct err err;

	assert_int_equal(parse_response("HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n\r\n", &err),
			 0);
	http_response_write(&response, "close", &out);
	assert_text(&out, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
}

static void test_pages(void **state)
{
	struct strbuf out = { 0 };

	http_page_write(403, "no", false, &out);
	assert_text(&out, "HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain; charset=utf-8\r\n"
			  "Content-Length: 3\r\nConnection: close\r\n\r\nno\n");
	http_page_write(407, "who", true, &out);
	assert_text(&out, "HTTP/1.1 407 Proxy Authentication Required\r\n"
			  "Proxy-Authenticate: Basic realm=\"tunneld\", charset=\"UTF-8\"\r\n"
			  "Content-Type: text/plain; charset=utf-8\r\n"
			  "Content-Length: 4\r\nConnection: close\r\n\r\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scan),
		cmocka_unit_test(test_scan_is_bounded),
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_bad_requests),
		cmocka_unit_test(test_keep_alive),
		cmocka_unit_test(test_fields_are_bounded),
		cmocka_unit_test(test_first_line_is_judged_alone),
		cmocka_unit_test(test_responses),
		cmocka_unit_test(test_bad_responses),
		cmocka_unit_test(test_what_is_said_about_the_connection),
		cmocka_unit_test(test_pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
