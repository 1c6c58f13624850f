/* SPDX-License-Identifier: MIT */
/*
 * Bytes in a row: appended at the end, dropped from the front, never more than the caller allows.
 * An empty buffer holds no memory, so that a thousand idle connections cost nothing.
 */
#pragma once

#include <stddef.h>

struct buffer {
	char *data; /* what stands before start has been dropped */
	size_t start, size, capacity;
};

/* Where more bytes may be written, and in *ret_room how many, so that the buffer holds at most
 * limit bytes; what was written is told with buffer_grow(). NULL: it is full (room 0), or out of
 * memory (room not 0). */
char *buffer_room(struct buffer *b, size_t limit, size_t *ret_room);
void buffer_grow(struct buffer *b, size_t size);
int buffer_add(struct buffer *b, const char *bytes, size_t size); /* -1: out of memory */
void buffer_drop(struct buffer *b, size_t size); /* at most b->size, from the front */
/* All of it, malloced, for the caller; NULL: it is empty. The buffer is empty afterwards. */
char *buffer_take(struct buffer *b, size_t *ret_size);
void buffer_fini(struct buffer *b);

static inline const char *buffer_bytes(const struct buffer *b)
{
	return b->data ? b->data + b->start : "";
}
