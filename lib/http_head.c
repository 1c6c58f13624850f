/* SPDX-License-Identifier: MIT */
#include "lib/http_head.h"

#include <string.h>
#include <strings.h>

#include "lib/util.h"

#define LENGTH_DIGITS_MAX 18 /* stays below 2^63 */

/* Fields that speak about one connection, or that are written anew. */
static const char *const own_fields[] = {
	"Connection",         "Content-Length",      "Keep-Alive",
	"Proxy-Authenticate", "Proxy-Connection",    "TE",
	"Transfer-Encoding",  "Proxy-Authorization", "Upgrade",
};

/* ---- texts ---- */

bool http_text_is(struct http_text text, const char *word)
{
	return text.size == strlen(word) && strncasecmp(text.at, word, text.size) == 0;
}

bool http_is_token_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("!#$%&'*+-.^_`|~", c));
}

bool http_is_token(struct http_text text)
{
	for (size_t i = 0; i < text.size; i++) {
		if (!http_is_token_byte(text.at[i]))
			return false;
	}
	return text.size > 0;
}

bool http_text_cut(struct http_text *text, char c, struct http_text *ret)
{
	const char *found = text->size > 0 ? memchr(text->at, c, text->size) : NULL;

	if (!found)
		return false;
	*ret = (struct http_text){ text->at, (size_t)(found - text->at) };
	text->at += ret->size + 1;
	text->size -= ret->size + 1;
	return true;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static struct http_text trim(struct http_text text)
{
	while (text.size > 0 && is_blank(text.at[0])) {
		text.at++;
		text.size--;
	}
	while (text.size > 0 && is_blank(text.at[text.size - 1]))
		text.size--;
	return text;
}

static struct http_text next_of_list(struct http_text *list)
{
	struct http_text item;

	if (!http_text_cut(list, ',', &item)) {
		item = *list;
		list->size = 0;
	}
	return trim(item);
}

bool http_list_has(struct http_text list, const char *word)
{
	while (list.size > 0) {
		if (http_text_is(next_of_list(&list), word))
			return true;
	}
	return false;
}

/* ---- lines ---- */

/* One line, from s->line_start to the LF at end. */
static enum http_scan_result take_line(struct http_scan *s, const char *bytes, size_t end)
{
	size_t start = s->line_start;
	bool has_cr = end > start && bytes[end - 1] == '\r';
	size_t size = end - start - has_cr;

	s->at = s->line_start = end + 1;
	if (!has_cr && !s->is_lenient)
		return HTTP_SCAN_BAD_LINE;
	if (size == 0 && !s->has_line)
		return HTTP_SCAN_MORE;
	if (size == 0) {
		s->size = s->at;
		return HTTP_SCAN_END;
	}
	if (s->has_line)
		return HTTP_SCAN_MORE;
	s->has_line = true;
	s->first_start = start;
	s->first_size = size;
	s->fields_start = s->at;
	return HTTP_SCAN_LINE;
}

enum http_scan_result http_scan(struct http_scan *s, const char *bytes, size_t size)
{
	size_t limit = MIN(size, HTTP_HEAD_MAX);

	while (s->at < limit) {
		const char *end = memchr(bytes + s->at, '\n', limit - s->at);
		enum http_scan_result result;

		if (!end) {
			s->at = limit;
			break;
		}
		result = take_line(s, bytes, (size_t)(end - bytes));
		if (result != HTTP_SCAN_MORE)
			return result;
	}
	return s->at == HTTP_HEAD_MAX ? HTTP_SCAN_LONG : HTTP_SCAN_MORE;
}

/* ---- fields ---- */

static bool has_control(struct http_text text)
{
	for (size_t i = 0; i < text.size; i++) {
		unsigned char c = (unsigned char)text.at[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return true;
	}
	return false;
}

static int parse_field(struct http_head *h, struct http_text line, struct err *err)
{
	struct http_field *field = &h->fields[h->field_count];

	if (h->field_count == HTTP_FIELDS_MAX)
		return err_set(err, ERR_LIMIT, "more than %d fields in one HTTP head",
			       HTTP_FIELDS_MAX);
	if (is_blank(line.at[0]))
		return err_set(err, ERR_PROTOCOL, "an HTTP field is folded onto the next line");
	if (!http_text_cut(&line, ':', &field->name))
		return err_set(err, ERR_PROTOCOL, "an HTTP field without a colon");
	if (!http_is_token(field->name))
		return err_set(err, ERR_PROTOCOL, "an HTTP field has a malformed name");
	field->value = trim(line);
	if (has_control(field->value))
		return err_set(err, ERR_PROTOCOL, "an HTTP field contains a control character");
	h->field_count++;
	return 0;
}

static int parse_options(struct http_head *h, struct http_text list, struct err *err)
{
	while (list.size > 0) {
		struct http_text option = next_of_list(&list);

		if (option.size == 0)
			continue;
		if (h->option_count == HTTP_OPTIONS_MAX)
			return err_set(err, ERR_LIMIT, "more than %d options in 'Connection'",
				       HTTP_OPTIONS_MAX);
		h->options[h->option_count++] = option;
	}
	return 0;
}

int http_head_parse(struct http_head *h, const char *bytes, const struct http_scan *s,
		    struct err *err)
{
	struct http_text rest = { bytes + s->fields_start, s->size - s->fields_start };
	struct http_text line;

	h->field_count = h->option_count = 0;
	while (http_text_cut(&rest, '\n', &line)) {
		if (line.size > 0 && line.at[line.size - 1] == '\r')
			line.size--;
		if (line.size > 0 && parse_field(h, line, err) < 0)
			return -1;
	}
	for (size_t i = 0; i < h->field_count; i++) {
		if (http_text_is(h->fields[i].name, "Connection") &&
		    parse_options(h, h->fields[i].value, err) < 0)
			return -1;
	}
	return 0;
}

size_t http_head_find(const struct http_head *h, const char *name, struct http_text *ret)
{
	size_t found = 0;

	for (size_t i = 0; i < h->field_count; i++) {
		if (http_text_is(h->fields[i].name, name) && found++ == 0)
			*ret = h->fields[i].value;
	}
	return found;
}

bool http_head_has_option(const struct http_head *h, const char *option)
{
	for (size_t i = 0; i < h->option_count; i++) {
		if (http_text_is(h->options[i], option))
			return true;
	}
	return false;
}

static bool is_own(const struct http_head *h, struct http_text name)
{
	for (size_t i = 0; i < ARRAY_SIZE(own_fields); i++) {
		if (http_text_is(name, own_fields[i]))
			return true;
	}
	for (size_t i = 0; i < h->option_count; i++) {
		if (h->options[i].size == name.size &&
		    strncasecmp(h->options[i].at, name.at, name.size) == 0)
			return true;
	}
	return false;
}

void http_head_write_fields(const struct http_head *h, const char *skip, struct strbuf *out)
{
	for (size_t i = 0; i < h->field_count; i++) {
		const struct http_field *field = &h->fields[i];

		if (is_own(h, field->name) || (skip && http_text_is(field->name, skip)))
			continue;
		strbuf_add_bytes(out, field->name.at, field->name.size);
		strbuf_add(out, ": ");
		strbuf_add_bytes(out, field->value.at, field->value.size);
		strbuf_add(out, "\r\n");
	}
}

/* ---- framing ---- */

static int read_length(struct http_framing *f, struct http_text value, struct err *err)
{
	f->length = 0;
	for (size_t i = 0; i < value.size; i++) {
		if (value.at[i] < '0' || value.at[i] > '9')
			return err_set(err, ERR_PROTOCOL, "'Content-Length' is not one number");
		if (i == LENGTH_DIGITS_MAX)
			return err_set(err, ERR_PROTOCOL, "'Content-Length' is too large");
		f->length = f->length * 10 + (uint64_t)(value.at[i] - '0');
	}
	if (value.size == 0)
		return err_set(err, ERR_PROTOCOL, "'Content-Length' is empty");
	f->has_length = true;
	return 0;
}

int http_framing_read(struct http_framing *f, const struct http_head *h, struct err *err)
{
	struct http_text length, coding;
	size_t lengths = http_head_find(h, "Content-Length", &length);
	size_t codings = http_head_find(h, "Transfer-Encoding", &coding);

	*f = (struct http_framing){ 0 };
	if (lengths + codings > 1)
		return err_set(err, ERR_PROTOCOL,
			       "more than one 'Content-Length' or 'Transfer-Encoding': "
			       "it is not clear where the message ends");
	if (codings == 1 && !http_text_is(coding, "chunked"))
		return err_set(err, ERR_UNSUPPORTED, "'Transfer-Encoding' is not 'chunked'");
	f->is_chunked = codings == 1;
	return lengths == 1 ? read_length(f, length, err) : 0;
}

void http_framing_write(const struct http_framing *f, struct strbuf *out)
{
	if (f->is_chunked)
		strbuf_add(out, "Transfer-Encoding: chunked\r\n");
	if (f->has_length)
		strbuf_addf(out, "Content-Length: %llu\r\n", (unsigned long long)f->length);
}
