/* SPDX-License-Identifier: MIT */
#include "lib/ssh_bytes.h"

#include <string.h>

bool ssh_span_equal(struct ssh_span a, struct ssh_span b)
{
	return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

bool ssh_span_is(struct ssh_span span, const char *text)
{
	return span.size == strlen(text) && memcmp(span.data, text, span.size) == 0;
}

void ssh_reader_init(struct ssh_reader *r, struct ssh_span bytes)
{
	*r = (struct ssh_reader){ .at = bytes.data, .left = bytes.size };
}

/* NULL when there are not so many. */
static const unsigned char *take(struct ssh_reader *r, size_t size)
{
	const unsigned char *bytes = r->at;

	if (r->failed || size > r->left) {
		r->failed = true;
		return NULL;
	}
	r->at += size;
	r->left -= size;
	return bytes;
}

static uint64_t read_number(struct ssh_reader *r, size_t size)
{
	const unsigned char *bytes = take(r, size);
	uint64_t value = 0;

	for (size_t i = 0; bytes && i < size; i++)
		value = value << 8 | bytes[i];
	return value;
}

uint8_t ssh_read_u8(struct ssh_reader *r)
{
	return (uint8_t)read_number(r, 1);
}

uint32_t ssh_read_u32(struct ssh_reader *r)
{
	return (uint32_t)read_number(r, 4);
}

uint64_t ssh_read_u64(struct ssh_reader *r)
{
	return read_number(r, 8);
}

struct ssh_span ssh_read_string(struct ssh_reader *r)
{
	uint32_t size = ssh_read_u32(r);
	const unsigned char *bytes = r->failed ? NULL : take(r, size);

	return bytes ? (struct ssh_span){ bytes, size } : (struct ssh_span){ NULL, 0 };
}

void ssh_write_u8(struct strbuf *to, uint8_t value)
{
	strbuf_add_bytes(to, (const char *)&value, 1);
}

void ssh_write_u32(struct strbuf *to, uint32_t value)
{
	unsigned char bytes[] = { (unsigned char)(value >> 24), (unsigned char)(value >> 16),
				  (unsigned char)(value >> 8), (unsigned char)value };

	strbuf_add_bytes(to, (const char *)bytes, sizeof(bytes));
}

void ssh_write_string(struct strbuf *to, struct ssh_span bytes)
{
	ssh_write_u32(to, (uint32_t)bytes.size);
	if (bytes.size > 0)
		strbuf_add_bytes(to, (const char *)bytes.data, bytes.size);
}
