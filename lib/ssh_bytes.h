/* SPDX-License-Identifier: MIT */
/*
 * The data types of the SSH protocol (RFC 4251, section 5), read and written. A reader remembers that
 * something was missing, so that only the end has to be checked; until then it yields zeros and
 * empty spans.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/str.h"

/* Bytes that belong to somebody else. */
struct ssh_span {
	const unsigned char *data;
	size_t size;
};

bool ssh_span_equal(struct ssh_span a, struct ssh_span b);
bool ssh_span_is(struct ssh_span span, const char *text);

struct ssh_reader {
	const unsigned char *at;
	size_t left;
	bool failed;
};

void ssh_reader_init(struct ssh_reader *r, struct ssh_span bytes);
uint8_t ssh_read_u8(struct ssh_reader *r);
uint32_t ssh_read_u32(struct ssh_reader *r);
uint64_t ssh_read_u64(struct ssh_reader *r);
struct ssh_span ssh_read_string(struct ssh_reader *r); /* into what is read; not copied */

void ssh_write_u8(struct strbuf *to, uint8_t value);
void ssh_write_u32(struct strbuf *to, uint32_t value);
void ssh_write_string(struct strbuf *to, struct ssh_span bytes);
