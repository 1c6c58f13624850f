/* SPDX-License-Identifier: MIT */
/*
 * A sheet of facts: sections, rows of label and value, tables. Rows without a value are left out.
 */
#pragma once

#include <jansson.h>

#include "ctl/table.h"

#define SHEET_INDENT 2 /* of everything below a section */

struct sheet {
	struct strbuf text;
	const struct term *term;
};

void sheet_section(struct sheet *s, const char *title);
void sheet_row(struct sheet *s, const char *label, const char *value);
void sheet_row_taken(struct sheet *s, const char *label, struct strbuf *value); /* empties value */
void sheet_table(struct sheet *s, struct table *t); /* ends t */
void sheet_text_taken(struct sheet *s, char *text); /* whole lines; NULL: out of memory */
void sheet_print(struct sheet *s); /* ends s */

/* The texts of a JSON array, separated. */
void sheet_join(struct strbuf *to, const json_t *texts, const char *separator);
