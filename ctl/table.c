/* SPDX-License-Identifier: MIT */
#include "ctl/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/text.h"
#include "lib/util.h"

#define GAP 2
#define NOTE_INDENT 4
#define LEAVE_MAX 8

void table_init(struct table *t, const struct table_column *columns, size_t column_count)
{
	*t = (struct table){ .columns = columns, .column_count = column_count };
}

void table_fini(struct table *t)
{
	for (size_t i = 0; i < t->line_count; i++) {
		for (size_t column = 0; column < t->column_count; column++)
			free(t->lines[i].cells[column].text);
	}
	free(t->lines);
	*t = (struct table){ 0 };
}

void table_row(struct table *t)
{
	struct table_line *lines = t->lines;

	if (t->failed)
		return;
	/* Grows in powers of two, so the capacity need not be kept. */
	if ((t->line_count & (t->line_count - 1)) == 0) {
		size_t capacity = t->line_count ? t->line_count * 2 : 1;

		lines = reallocarray(t->lines, capacity, sizeof(*lines));
		if (!lines) {
			t->failed = true;
			return;
		}
	}
	t->lines = lines;
	t->lines[t->line_count++] = (struct table_line){ 0 };
}

void table_set(struct table *t, size_t column, enum style style, const char *text)
{
	struct table_cell *cell;

	if (t->failed)
		return;
	cell = &t->lines[t->line_count - 1].cells[column];
	free(cell->text);
	*cell = (struct table_cell){ strdup(text), style };
	t->failed = !cell->text;
}

void table_note(struct table *t, enum style style, const char *text)
{
	table_row(t);
	table_set(t, 0, style, text);
	if (!t->failed)
		t->lines[t->line_count - 1].note = true;
}

/* How wide each column is; 0 for one that is left out (none is that narrow by itself). */
struct layout {
	size_t widths[TABLE_COLUMNS_MAX];
	size_t total;
};

static size_t natural_width(const struct table *t, size_t column)
{
	size_t width = text_width(t->columns[column].title);

	for (size_t i = 0; i < t->line_count; i++) {
		const char *text = t->lines[i].cells[column].text;

		if (text && !t->lines[i].note)
			width = MAX(width, text_width(text));
	}
	return width;
}

static void layout_natural(const struct table *t, unsigned left, struct layout *ret)
{
	*ret = (struct layout){ .total = t->indent };
	for (size_t i = 0; i < t->column_count; i++) {
		if (t->columns[i].leave > 0 && t->columns[i].leave <= left)
			continue;
		ret->widths[i] = natural_width(t, i);
		ret->total += ret->widths[i] + (ret->total > t->indent ? GAP : 0);
	}
}

/* Takes what is too much from the columns that can give, the last of them first. */
static void layout_shrink(const struct table *t, size_t width, struct layout *layout)
{
	for (size_t i = t->column_count; i-- > 0 && layout->total > width;) {
		unsigned min = t->columns[i].min;
		size_t give;

		if (min == 0 || layout->widths[i] <= min)
			continue;
		give = MIN(layout->widths[i] - min, layout->total - width);
		layout->widths[i] -= give;
		layout->total -= give;
	}
}

static void layout_find(const struct table *t, size_t width, struct layout *ret)
{
	for (unsigned left = 0; left <= LEAVE_MAX; left++) {
		layout_natural(t, left, ret);
		if (width == 0 || ret->total <= width)
			return;
		layout_shrink(t, width, ret);
		if (ret->total <= width)
			return;
	}
}

/* The last column that has anything to show in this line: nothing is padded after it. */
static size_t last_cell(const struct table *t, const struct table_line *line,
			const struct layout *layout)
{
	size_t last = 0;

	for (size_t i = 0; i < t->column_count; i++) {
		if (layout->widths[i] > 0 && line->cells[i].text && *line->cells[i].text)
			last = i;
	}
	return last;
}

static void add_cells(struct strbuf *to, const struct table *t, const struct table_line *line,
		      const struct layout *layout, const struct term *term)
{
	size_t last = last_cell(t, line, layout), column = t->indent, owed = t->indent;
	size_t edge = term->width ? term->width : SIZE_MAX;

	for (size_t i = 0; i <= last && column < edge; i++) {
		const struct table_cell *cell = &line->cells[i];
		const char *text = cell->text ? cell->text : "";
		size_t width = MIN(layout->widths[i], edge - column);
		size_t pad;

		if (width == 0)
			continue;
		column += width + GAP;
		/* Spaces are written only before something: none at the end of a line. */
		if (!*text) {
			owed += width + GAP;
			continue;
		}
		pad = width - MIN(width, text_width(text));
		text_add_spaces(to, owed + (t->columns[i].right ? pad : 0));
		strbuf_add(to, term_begin(term, cell->style));
		text_add_cut(to, text, width, term_ellipsis(term));
		strbuf_add(to, term_end(term, cell->style));
		owed = (t->columns[i].right ? 0 : pad) + GAP;
	}
	strbuf_add(to, "\n");
}

static void add_header(struct strbuf *to, const struct table *t, const struct layout *layout,
		       const struct term *term)
{
	struct table_line header = { 0 };
	char titles[TABLE_COLUMNS_MAX][32];

	for (size_t i = 0; i < t->column_count; i++) {
		snprintf(titles[i], sizeof(titles[i]), "%s", t->columns[i].title);
		header.cells[i] = (struct table_cell){ titles[i], STYLE_BOLD };
	}
	add_cells(to, t, &header, layout, term);
}

static void add_note(struct strbuf *to, const struct table *t, const struct table_cell *cell,
		     const struct term *term)
{
	strbuf_add(to, term_begin(term, cell->style));
	text_add_wrapped(to, cell->text, t->indent + NOTE_INDENT, term->width);
	strbuf_add(to, term_end(term, cell->style));
}

char *table_text(const struct table *t, const struct term *term)
{
	struct strbuf text = { 0 };
	struct layout layout;

	if (t->failed)
		return NULL;
	layout_find(t, term->width, &layout);
	add_header(&text, t, &layout, term);
	for (size_t i = 0; i < t->line_count; i++) {
		if (t->lines[i].note)
			add_note(&text, t, &t->lines[i].cells[0], term);
		else
			add_cells(&text, t, &t->lines[i], &layout, term);
	}
	return strbuf_take(&text);
}
