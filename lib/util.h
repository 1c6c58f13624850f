/* SPDX-License-Identifier: MIT */
/*
 * The handful of idioms every file uses: scope-bound cleanup, handing ownership over, checked
 * allocation helpers, and lists of strings. Nothing here knows what a tunnel is.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

/* CLEANUP(freep) char *text = ...: runs freep(&text) when the scope is left. */
#define CLEANUP(fn) __attribute__((cleanup(fn)))

/* Hands a pointer over: yields its value and leaves NULL behind. */
#define TAKE(p)                                                                                    \
	({                                                                                         \
		__typeof__(p) _taken = (p);                                                        \
		(p) = NULL;                                                                        \
		_taken;                                                                            \
	})

/* The same for descriptors: yields its value and leaves -1 behind. */
#define TAKE_FD(fd)                                                                                \
	({                                                                                         \
		int _taken = (fd);                                                                 \
		(fd) = -1;                                                                         \
		_taken;                                                                            \
	})

static inline void freep(void *p)
{
	free(*(void **)p);
}

/* Closes *fd when it is >= 0, keeps errno. */
void closep(int *fd);

/* A list of strings that owns them. {0} is the empty list. */
struct strv {
	char **items;
	size_t count;
};

int strv_add(struct strv *v, const char *text); /* copies; -1 when out of memory */
int strv_copy(struct strv *to, const struct strv *from); /* to must be empty */
bool strv_equal(const struct strv *a, const struct strv *b); /* same strings, same order */
bool strv_contains(const struct strv *v, const char *text);
void strv_fini(struct strv *v);

/* strcmp() for strings that may be NULL; NULL equals only NULL. */
bool streq(const char *a, const char *b);

/* Milliseconds of CLOCK_MONOTONIC / of the wall clock. */
uint64_t monotonic_ms(void);
uint64_t monotonic_us(void);
uint64_t realtime_ms(void);
