/* SPDX-License-Identifier: MIT */
#include "lib/buffer.h"

#include <stdlib.h>
#include <string.h>

static void compact(struct buffer *b)
{
	if (b->start == 0)
		return;
	memmove(b->data, b->data + b->start, b->size);
	b->start = 0;
}

static int reserve(struct buffer *b, size_t capacity)
{
	char *data;

	if (b->capacity - b->start >= capacity)
		return 0;
	compact(b);
	if (b->capacity >= capacity)
		return 0;
	data = realloc(b->data, capacity);
	if (!data)
		return -1;
	b->data = data;
	b->capacity = capacity;
	return 0;
}

char *buffer_room(struct buffer *b, size_t limit, size_t *ret_room)
{
	*ret_room = limit > b->size ? limit - b->size : 0;
	if (*ret_room == 0 || reserve(b, limit) < 0)
		return NULL;
	return b->data + b->start + b->size;
}

void buffer_grow(struct buffer *b, size_t size)
{
	b->size += size;
	if (b->size == 0)
		buffer_fini(b);
}

int buffer_add(struct buffer *b, const char *bytes, size_t size)
{
	if (size == 0)
		return 0;
	if (reserve(b, b->size + size) < 0)
		return -1;
	memcpy(b->data + b->start + b->size, bytes, size);
	b->size += size;
	return 0;
}

void buffer_drop(struct buffer *b, size_t size)
{
	b->start += size;
	b->size -= size;
	if (b->size == 0)
		buffer_fini(b);
}

char *buffer_take(struct buffer *b, size_t *ret_size)
{
	char *data;

	compact(b);
	data = b->data;
	*ret_size = b->size;
	*b = (struct buffer){ 0 };
	return data;
}

void buffer_fini(struct buffer *b)
{
	free(b->data);
	*b = (struct buffer){ 0 };
}
