/* SPDX-License-Identifier: MIT */
/*
 * Heads of requests and of responses. Where one ends does not depend on the pieces in which it came;
 * what is accepted and written for the next hop is accepted there, with the same target and the same
 * body, and nothing of this hop is left in it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/http_request.h"
#include "lib/http_response.h"
#include "lib/util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static enum http_scan_result scan(struct http_scan *s, const char *bytes, size_t size, size_t step)
{
	enum http_scan_result result = HTTP_SCAN_MORE;

	for (size_t given = 0; given < size && result == HTTP_SCAN_MORE;) {
		given = MIN(given + step, size);
		do
			result = http_scan(s, bytes, given);
		while (result == HTTP_SCAN_LINE);
		must(s->at <= given && s->line_start <= s->at);
	}
	return result;
}

/* True: a head of s->size bytes. */
static bool find_head(struct http_scan *s, bool is_lenient, const char *bytes, size_t size)
{
	struct http_scan pieces = { .is_lenient = is_lenient };
	enum http_scan_result result;

	*s = pieces;
	result = scan(s, bytes, size, size);
	must(scan(&pieces, bytes, size, 1 + size / 64) == result && pieces.size == s->size);
	must(result != HTTP_SCAN_END || (s->size <= size && s->size <= HTTP_HEAD_MAX));
	return result == HTTP_SCAN_END;
}

/* Nothing that is said to one hop has passed to the next. */
static void check_hop(const struct http_head *h)
{
	static const char *const gone[] = { "Proxy-Authorization", "Proxy-Connection",
					    "Proxy-Authenticate", "Keep-Alive", "TE" };
	struct http_text value;

	for (size_t i = 0; i < ARRAY_SIZE(gone); i++)
		must(http_head_find(h, gone[i], &value) == 0);
	for (size_t i = 0; i < h->option_count; i++)
		must(http_text_is(h->options[i], "close") ||
		     http_text_is(h->options[i], "upgrade"));
}

static void check_framing(const struct http_framing *a, const struct http_framing *b)
{
	must(a->has_length == b->has_length && a->is_chunked == b->is_chunked);
	must(a->length == b->length && !(a->has_length && a->is_chunked));
}

/* As the server gets it: an origin-form, which is made absolute again. */
static void check_forwarded(const struct http_request *r)
{
	static struct http_head head;
	struct strbuf out = { 0 };
	struct http_framing framing;
	struct http_scan s;
	struct http_text host;

	http_request_write(r, &out);
	must(!out.failed && memchr(out.data, '\0', out.length) == NULL);
	must(out.length > HTTP_HEAD_MAX || find_head(&s, false, out.data, out.length));
	if (out.length <= HTTP_HEAD_MAX && r->head.field_count < HTTP_FIELDS_MAX - 4) {
		must(s.size == out.length && s.first_start == 0);
		must(http_head_parse(&head, out.data, &s, NULL) == 0);
		must(http_framing_read(&framing, &head, NULL) == 0);
		check_framing(&framing, &r->framing);
		check_hop(&head);
		must(http_head_find(&head, "Host", &host) == 1);
	}
	strbuf_fini(&out);
}

static void try_request(const char *bytes, size_t size)
{
	static struct http_request r;
	struct http_scan s;
	struct err err;

	if (!find_head(&s, false, bytes, size))
		return;
	if (http_request_parse(&r, bytes, &s, &err) < 0) {
		must(r.status >= 400 && r.status < 600 && err.msg[0]);
		return;
	}
	must(endpoint_check_host(r.host, NULL) == 0 && r.port > 0 && r.minor <= 1);
	if (!r.is_connect)
		check_forwarded(&r);
}

static void try_response(const char *bytes, size_t size)
{
	static struct http_response r, again;
	struct strbuf out = { 0 };
	struct http_scan s;
	struct err err;

	if (!find_head(&s, true, bytes, size) || http_response_parse(&r, bytes, &s, &err) < 0)
		return;
	must(r.status >= 100 && r.status <= 999);
	http_response_write(&r, r.is_switch ? NULL : "close", &out);
	if (out.length <= HTTP_HEAD_MAX && r.head.field_count < HTTP_FIELDS_MAX - 4) {
		must(find_head(&s, false, out.data, out.length) && s.size == out.length);
		must(http_response_parse(&again, out.data, &s, &err) == 0);
		must(again.status == r.status);
		check_framing(&again.framing, &r.framing);
		check_hop(&again.head);
	}
	strbuf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	try_request((const char *)data, size);
	try_response((const char *)data, size);
	return 0;
}
