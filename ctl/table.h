/* SPDX-License-Identifier: MIT */
/*
 * A table that fits: cells are collected first, widths computed from them, and only when a terminal
 * is too narrow are columns shrunk, then left out, then lines cut. Notes are free lines under a
 * row, wrapped, never cut. Running out of memory is remembered and makes the final text NULL.
 */
#pragma once

#include "ctl/term.h"

#define TABLE_COLUMNS_MAX 12

struct table_column {
	const char *title;
	bool right; /* numbers */
	unsigned min; /* may be shrunk to this many cells; 0: never shrunk */
	unsigned leave; /* 1 leaves first when the terminal is too narrow; 0: stays */
};

struct table_cell {
	char *text; /* NULL: empty */
	enum style style;
};

struct table_line {
	bool note; /* only the first cell, over the whole width */
	struct table_cell cells[TABLE_COLUMNS_MAX];
};

struct table {
	const struct table_column *columns;
	size_t column_count;
	size_t indent; /* of every line, in spaces */
	struct table_line *lines;
	size_t line_count;
	bool failed;
};

void table_init(struct table *t, const struct table_column *columns, size_t column_count);
void table_fini(struct table *t);

void table_row(struct table *t); /* begins a line of empty cells */
/* Fills a cell of the last line. */
void table_set(struct table *t, size_t column, enum style style, const char *text);
void table_note(struct table *t, enum style style, const char *text);

/* With the header. The caller frees; NULL: out of memory. */
char *table_text(const struct table *t, const struct term *term);
