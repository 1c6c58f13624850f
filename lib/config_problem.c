/* SPDX-License-Identifier: MIT */
/*
 * Whatever a message quotes, it leaves here as one printable line.
 */
#include "lib/config_problem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/str.h"
#include "lib/util.h"

enum { MESSAGE_MAX = 640 };

void config_problems_fini(struct config_problems *problems)
{
	for (size_t i = 0; i < problems->count; i++) {
		free(problems->items[i].file);
		free(problems->items[i].message);
	}
	free(problems->items);
	*problems = (struct config_problems){ 0 };
}

char *config_problem_text(const struct config_problem *problem)
{
	if (!problem->file)
		return strdup(problem->message);
	if (problem->line == 0)
		return str_printf("%s: %s", problem->file, problem->message);
	return str_printf("%s:%u:%u: %s", problem->file, problem->line, problem->column,
			  problem->message);
}

/* Takes one item more, empty; NULL: no memory. */
static struct config_problem *grow(struct problem_sink *sink)
{
	struct config_problems *to = sink->to;
	struct config_problem *items = realloc(to->items, (to->count + 1) * sizeof(*items));

	if (!items) {
		sink->failed = true;
		return NULL;
	}
	to->items = items;
	items[to->count] = (struct config_problem){ 0 };
	return &items[to->count];
}

static void keep(struct problem_sink *sink, const char *file, unsigned line, unsigned column,
		 const char *message)
{
	struct config_problem *problem = grow(sink);
	char *file_copy = file ? strdup(file) : NULL;
	char *message_copy = strdup(message);

	if (!problem || !message_copy || (file && !file_copy)) {
		free(file_copy);
		free(message_copy);
		sink->failed = true;
		return;
	}
	*problem = (struct config_problem){ file_copy, line, column, message_copy };
	sink->to->count++;
}

static bool was_said(const struct config_problems *problems, const char *file, unsigned line,
		     unsigned column, const char *message)
{
	for (size_t i = 0; i < problems->count; i++) {
		const struct config_problem *p = &problems->items[i];

		if (p->line == line && p->column == column && streq(p->file, file) &&
		    strcmp(p->message, message) == 0)
			return true;
	}
	return false;
}

void problem_add(struct problem_sink *sink, const struct node *at, const char *fmt, ...)
{
	static const struct node nowhere = { 0 };
	char text[MESSAGE_MAX], message[MESSAGE_MAX];
	va_list ap;

	if (problem_is_full(sink)) {
		sink->dropped++;
		return;
	}
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	str_escape(message, sizeof(message), text, strlen(text));
	at = at ? at : &nowhere;
	if (!was_said(sink->to, at->file, at->line, at->column, message))
		keep(sink, at->file, at->line, at->column, message);
}

void problem_add_err(struct problem_sink *sink, const struct err *err)
{
	const struct node at = { .file = err->at.file,
				 .line = err->at.line,
				 .column = err->at.column };

	problem_add(sink, &at, "%s", err->msg);
}

size_t problem_count(const struct problem_sink *sink)
{
	return sink->to->count + sink->dropped + sink->failed;
}

bool problem_is_full(const struct problem_sink *sink)
{
	return sink->to->count >= CONFIG_PROBLEMS_MAX;
}

void problem_forget(struct problem_sink *sink, size_t count, size_t dropped)
{
	struct config_problems *to = sink->to;

	while (to->count > count) {
		to->count--;
		free(to->items[to->count].file);
		free(to->items[to->count].message);
	}
	if (count == 0)
		free(TAKE(to->items)); /* who sees no problem frees nothing */
	sink->dropped = dropped;
}

struct file_order {
	const char *const *files;
	size_t count;
};

static size_t rank(const struct file_order *order, const char *file)
{
	size_t i = 0;

	while (i < order->count && !streq(order->files[i], file))
		i++;
	return i;
}

static int by_place(const void *a, const void *b, void *order)
{
	const struct config_problem *x = a, *y = b;
	size_t x_rank = rank(order, x->file), y_rank = rank(order, y->file);

	if (x_rank != y_rank)
		return x_rank < y_rank ? -1 : 1;
	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	return x->column < y->column ? -1 : x->column > y->column;
}

void problem_finish(struct problem_sink *sink, const char *const *files, size_t file_count)
{
	struct file_order order = { files, file_count };
	char more[64];

	if (sink->to->count > 0)
		qsort_r(sink->to->items, sink->to->count, sizeof(*sink->to->items), by_place,
			&order);
	if (sink->dropped == 0)
		return;
	snprintf(more, sizeof(more), "and %zu more mistakes", sink->dropped);
	keep(sink, NULL, 0, 0, more);
}
