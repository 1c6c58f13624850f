/* SPDX-License-Identifier: MIT */
#include "lib/http_response.h"

#include <string.h>

#include "lib/util.h"

#define VERSION "HTTP/1."
#define VERSION_SIZE (sizeof(VERSION) - 1)

static const struct {
	unsigned status;
	const char *reason;
	const char *field; /* with its line end; NULL: none */
} pages[] = {
	{ 400, "Bad Request", NULL },
	{ 403, "Forbidden", NULL },
	{ 407, "Proxy Authentication Required",
	  "Proxy-Authenticate: Basic realm=\"tunneld\", charset=\"UTF-8\"\r\n" },
	{ 408, "Request Timeout", NULL },
	{ 431, "Request Header Fields Too Large", NULL },
	{ 501, "Not Implemented", NULL },
	{ 502, "Bad Gateway", NULL },
	{ 503, "Service Unavailable", NULL },
	{ 504, "Gateway Timeout", NULL },
	{ 505, "HTTP Version Not Supported", NULL },
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* "HTTP/1.1 200 OK"; the reason may be missing, with its blank. */
static int parse_line(struct http_response *r, struct http_text line, struct err *err)
{
	const char *code = line.at + VERSION_SIZE + 2;

	if (line.size < VERSION_SIZE + 5 || memcmp(line.at, VERSION, VERSION_SIZE) != 0 ||
	    !is_digit(line.at[VERSION_SIZE]) || code[-1] != ' ')
		return err_set(err, ERR_PROTOCOL, "the server does not speak HTTP/1");
	if (code[0] < '1' || code[0] > '9' || !is_digit(code[1]) || !is_digit(code[2]) ||
	    (line.size > VERSION_SIZE + 5 && code[3] != ' '))
		return err_set(err, ERR_PROTOCOL, "the server answers without a status");
	r->minor = (unsigned)(line.at[VERSION_SIZE] - '0');
	r->status = (unsigned)((code[0] - '0') * 100 + (code[1] - '0') * 10 + code[2] - '0');
	r->reason = (struct http_text){ code + 3, 0 };
	if (line.size > VERSION_SIZE + 6)
		r->reason = (struct http_text){ code + 4, line.size - VERSION_SIZE - 6 };
	for (size_t i = 0; i < r->reason.size; i++) {
		if ((unsigned char)r->reason.at[i] < ' ' && r->reason.at[i] != '\t')
			return err_set(err, ERR_PROTOCOL,
				       "the server's status contains a control character");
	}
	return 0;
}

static bool has_no_body(unsigned status)
{
	return status < 200 || status == 204 || status == 304;
}

int http_response_parse(struct http_response *r, const char *bytes, const struct http_scan *s,
			struct err *err)
{
	struct http_text line = { bytes + s->first_start, s->first_size };

	if (parse_line(r, line, err) < 0 || http_head_parse(&r->head, bytes, s, err) < 0 ||
	    http_framing_read(&r->framing, &r->head, err) < 0)
		return -1;
	if (r->framing.is_chunked && r->minor == 0)
		return err_set(err, ERR_PROTOCOL, "'Transfer-Encoding' in an answer of HTTP/1.0");
	r->is_switch = r->status == 101;
	r->is_interim = r->status < 200 && !r->is_switch;
	if (r->status < 200 || r->status == 204)
		r->framing = (struct http_framing){ 0 };
	r->upgrade = (struct http_text){ "", 0 };
	if (r->is_switch && http_head_find(&r->head, "Upgrade", &r->upgrade) != 1)
		return err_set(err, ERR_PROTOCOL,
			       "the server changes the protocol and does not say to which");
	return 0;
}

enum http_body_kind http_response_body(const struct http_response *r, bool is_head)
{
	if (is_head || has_no_body(r->status))
		return HTTP_BODY_NONE;
	if (r->framing.is_chunked)
		return HTTP_BODY_CHUNKED;
	return r->framing.has_length ? HTTP_BODY_LENGTH : HTTP_BODY_UNTIL_END;
}

void http_response_write(const struct http_response *r, const char *connection, struct strbuf *out)
{
	strbuf_addf(out, "HTTP/1.1 %03u ", r->status);
	strbuf_add_bytes(out, r->reason.at, r->reason.size);
	strbuf_add(out, "\r\n");
	http_head_write_fields(&r->head, NULL, out);
	http_framing_write(&r->framing, out);
	if (connection)
		strbuf_addf(out, "Connection: %s\r\n", connection);
	if (r->is_switch) {
		strbuf_add(out, "Connection: Upgrade\r\nUpgrade: ");
		strbuf_add_bytes(out, r->upgrade.at, r->upgrade.size);
		strbuf_add(out, "\r\n");
	}
	strbuf_add(out, "\r\n");
}

void http_page_write(unsigned status, const char *text, bool is_head, struct strbuf *out)
{
	size_t i = 0;

	while (i < ARRAY_SIZE(pages) - 1 && pages[i].status != status)
		i++;
	strbuf_addf(out, "HTTP/1.1 %u %s\r\n", status, pages[i].reason);
	strbuf_add(out, pages[i].field ? pages[i].field : "");
	strbuf_addf(out,
		    "Content-Type: text/plain; charset=utf-8\r\nContent-Length: %zu\r\n"
		    "Connection: close\r\n\r\n",
		    strlen(text) + 1);
	if (!is_head)
		strbuf_addf(out, "%s\n", text);
}
