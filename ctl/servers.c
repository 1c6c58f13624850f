/* SPDX-License-Identifier: MIT */
#include "ctl/servers.h"

#include "ctl/describe.h"
#include "ctl/human.h"
#include "ctl/table.h"
#include "lib/tunnel_state.h"
#include "lib/util.h"

enum column { SERVER, STATE, AGE, COLUMN_COUNT };

static const struct table_column columns[COLUMN_COUNT] = {
	[SERVER] = { "SERVER", false, 24, 0 },
	[STATE] = { "STATE", false, 0, 0 },
	[AGE] = { "FOR", true, 0, 1 },
};

static const enum style styles[ROUTE_STATE_COUNT] = {
	[ROUTE_IDLE] = STYLE_DIM, [ROUTE_CONNECTING] = STYLE_CYAN, [ROUTE_STANDBY] = STYLE_GREEN,
	[ROUTE_UP] = STYLE_GREEN, [ROUTE_DOWN] = STYLE_YELLOW,     [ROUTE_FAILED] = STYLE_RED,
};

static enum style style_of(const json_t *server)
{
	int known = route_state_from_name(get_text(server, "state"));

	return known < 0 ? STYLE_NONE : styles[known];
}

static void add_server(struct table *t, const json_t *server)
{
	struct strbuf age = { 0 };

	table_row(t);
	table_set(t, SERVER, STYLE_NONE, get_text(server, "host"));
	table_set(t, STATE, style_of(server), get_text(server, "state"));
	describe_age(&age, server);
	table_set(t, AGE, STYLE_NONE, age.data ? age.data : "-");
	if (*error_message(server))
		table_note(t, style_of(server), error_message(server));
	strbuf_fini(&age);
}

char *servers_text(const json_t *servers, size_t indent, const struct term *term)
{
	struct table t;
	json_t *server;
	char *text;
	size_t i;

	table_init(&t, columns, COLUMN_COUNT);
	t.indent = indent;
	json_array_foreach (servers, i, server)
		add_server(&t, server);
	text = table_text(&t, term);
	table_fini(&t);
	return text;
}
