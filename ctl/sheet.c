/* SPDX-License-Identifier: MIT */
#include "ctl/sheet.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/util.h"

#define LABEL_WIDTH 16

void sheet_section(struct sheet *s, const char *title)
{
	strbuf_addf(&s->text, "\n%s%s%s\n", term_begin(s->term, STYLE_BOLD), title,
		    term_end(s->term, STYLE_BOLD));
}

/* "  label           value"; left out when value is empty. */
void sheet_row(struct sheet *s, const char *label, const char *value)
{
	if (!*value)
		return;
	strbuf_add(&s->text, "  ");
	strbuf_add(&s->text, term_begin(s->term, STYLE_DIM));
	strbuf_addf(&s->text, "%-*s", LABEL_WIDTH, label);
	strbuf_add(&s->text, term_end(s->term, STYLE_DIM));
	strbuf_addf(&s->text, " %s\n", value);
}

/* Takes what is in value. */
void sheet_row_taken(struct sheet *s, const char *label, struct strbuf *value)
{
	CLEANUP(freep) char *text = strbuf_take(value);

	if (text)
		sheet_row(s, label, text);
	else
		s->text.failed = true;
}

void sheet_join(struct strbuf *to, const json_t *texts, const char *separator)
{
	json_t *text;
	size_t i;

	json_array_foreach (texts, i, text) {
		const char *word = json_string_value(text);

		strbuf_addf(to, "%s%s", i ? separator : "", word ? word : "");
	}
}

void sheet_text_taken(struct sheet *s, char *text)
{
	if (text)
		strbuf_add(&s->text, text);
	else
		s->text.failed = true;
	free(text);
}

void sheet_table(struct sheet *s, struct table *t)
{
	t->indent = SHEET_INDENT;
	sheet_text_taken(s, table_text(t, s->term));
	table_fini(t);
}

void sheet_print(struct sheet *s)
{
	CLEANUP(freep) char *text = strbuf_take(&s->text);

	if (text)
		fputs(text, stdout);
}
