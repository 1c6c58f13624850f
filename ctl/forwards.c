/* SPDX-License-Identifier: MIT */
/*
 * One row a forward. What does not fit into columns stands below it: its name and the sockets it
 * listens at where they are not what one would guess, what to know about it, why it does not work.
 */
#include "ctl/forwards.h"

#include <stdlib.h>
#include <string.h>

#include "ctl/describe.h"
#include "ctl/human.h"
#include "ctl/sheet.h"
#include "lib/util.h"

enum column { FORWARD, STATE, OPEN, TOTAL, IN, OUT, COLUMN_COUNT };

static const struct table_column columns[COLUMN_COUNT] = {
	[FORWARD] = { "FORWARD", false, 24, 0 },
	[STATE] = { "STATE", false, 0, 0 },
	[OPEN] = { "OPEN", true, 0, 3 },
	[TOTAL] = { "TOTAL", true, 0, 2 },
	[IN] = { "IN", true, 0, 1 },
	[OUT] = { "OUT", true, 0, 1 },
};

/* A name that somebody gave it; the others say nothing new: "local:127.0.0.1:5432". */
static bool has_given_name(const json_t *forward)
{
	const char *name = get_text(forward, "name"), *type = get_text(forward, "type");
	size_t length = strlen(type);

	return *name && !(strncmp(name, type, length) == 0 && name[length] == ':');
}

/* Sockets that differ from what was asked for: a name, or "localhost" on both families. */
static bool has_other_addresses(const json_t *forward)
{
	const json_t *addresses = json_object_get(forward, "addresses");
	const char *first = json_string_value(json_array_get(addresses, 0));

	return first &&
	       (json_array_size(addresses) > 1 || !streq(first, get_text(forward, "listen")));
}

static void note_facts(struct table *t, const json_t *forward)
{
	struct strbuf text = { 0 };

	if (has_given_name(forward))
		strbuf_addf(&text, "named %s", get_text(forward, "name"));
	if (has_other_addresses(forward)) {
		strbuf_add(&text, text.length ? "; listens at " : "listens at ");
		sheet_join(&text, json_object_get(forward, "addresses"), ", ");
	}
	if (text.data)
		table_note(t, STYLE_DIM, text.data);
	strbuf_fini(&text);
}

/* All of a tunnel that was added are that, too. */
static bool is_added(const json_t *forward, const json_t *tunnel)
{
	return strcmp(get_text(forward, "source"), "added") == 0 &&
	       strcmp(get_text(tunnel, "source"), "added") != 0;
}

static void add_forward(struct table *t, const json_t *forward, const json_t *tunnel,
			const struct term *term)
{
	struct strbuf text = { 0 };
	char number[HUMAN_MAX];

	table_row(t);
	describe_forward(&text, forward, term);
	if (is_added(forward, tunnel))
		strbuf_add(&text, " (added)");
	table_set(t, FORWARD, STYLE_NONE, text.data ? text.data : "");
	table_set(t, STATE, forward_style(forward), get_text(forward, "state"));
	table_set(t, OPEN, STYLE_NONE, human_count(number, get_count(forward, "connections")));
	table_set(t, TOTAL, STYLE_NONE,
		  human_count(number, get_count(forward, "connections_total")));
	table_set(t, IN, STYLE_NONE, human_bytes(number, get_count(forward, "bytes_in")));
	table_set(t, OUT, STYLE_NONE, human_bytes(number, get_count(forward, "bytes_out")));
	note_facts(t, forward);
	if (*get_text(forward, "note"))
		table_note(t, STYLE_YELLOW, get_text(forward, "note"));
	if (*error_message(forward))
		table_note(t, STYLE_RED, error_message(forward));
	strbuf_fini(&text);
}

char *forwards_text(const json_t *tunnel, size_t indent, const struct term *term)
{
	struct table t;
	json_t *forward;
	char *text;
	size_t i;

	table_init(&t, columns, COLUMN_COUNT);
	t.indent = indent;
	json_array_foreach (json_object_get(tunnel, "forwards"), i, forward)
		add_forward(&t, forward, tunnel, term);
	text = table_text(&t, term);
	table_fini(&t);
	return text;
}
