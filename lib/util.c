/* SPDX-License-Identifier: MIT */
#include "lib/util.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

void closep(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = saved;
}

int strv_add(struct strv *v, const char *text)
{
	char *copy = strdup(text);
	char **items;

	if (!copy)
		return -1;
	items = realloc(v->items, (v->count + 1) * sizeof(*items));
	if (!items) {
		free(copy);
		return -1;
	}
	v->items = items;
	v->items[v->count++] = copy;
	return 0;
}

int strv_copy(struct strv *to, const struct strv *from)
{
	for (size_t i = 0; i < from->count; i++) {
		if (strv_add(to, from->items[i]) < 0)
			return -1;
	}
	return 0;
}

bool strv_equal(const struct strv *a, const struct strv *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++) {
		if (strcmp(a->items[i], b->items[i]) != 0)
			return false;
	}
	return true;
}

bool strv_contains(const struct strv *v, const char *text)
{
	for (size_t i = 0; i < v->count; i++) {
		if (strcmp(v->items[i], text) == 0)
			return true;
	}
	return false;
}

void strv_fini(struct strv *v)
{
	for (size_t i = 0; i < v->count; i++)
		free(v->items[i]);
	free(v->items);
	*v = (struct strv){ 0 };
}

bool streq(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static uint64_t clock_us(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint64_t monotonic_ms(void)
{
	return clock_us(CLOCK_MONOTONIC) / 1000;
}

uint64_t monotonic_us(void)
{
	return clock_us(CLOCK_MONOTONIC);
}

uint64_t realtime_ms(void)
{
	return clock_us(CLOCK_REALTIME) / 1000;
}
