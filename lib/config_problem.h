/* SPDX-License-Identifier: MIT */
/*
 * Collects the mistakes of one reading. A file can hold a hundred thousand of them; the first
 * hundred are kept, the rest is counted and costs nothing. Private to config*.c.
 */
#pragma once

#include <stdbool.h>

#include "lib/config.h"
#include "lib/node.h"

enum { CONFIG_PROBLEMS_MAX = 100 };

struct problem_sink {
	struct config_problems *to;
	size_t dropped; /* not kept: there were CONFIG_PROBLEMS_MAX already */
	bool failed; /* no memory to keep one */
};

/* A sentence about at, which may be NULL. What was said before is not said again. */
void problem_add(struct problem_sink *sink, const struct node *at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void problem_add_err(struct problem_sink *sink, const struct err *err);

size_t problem_count(const struct problem_sink *sink); /* those dropped included */
/* Keeping one more would only count it: no need to find the words. */
bool problem_is_full(const struct problem_sink *sink);

/* Takes back what was added since both were so many. */
void problem_forget(struct problem_sink *sink, size_t count, size_t dropped);

/* Sorts by file (in the order of files), line and column, and adds the line about the dropped ones.
 */
void problem_finish(struct problem_sink *sink, const char *const *files, size_t file_count);
