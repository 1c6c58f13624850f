/* SPDX-License-Identifier: MIT */
/*
 * `tunctl list`: one row a tunnel. Why one does not work stands in a line of its own below it,
 * whole: such lines tell what to do, and a column would cut just that.
 */
#include <stdlib.h>
#include <string.h>

#include "ctl/ctl.h"
#include "ctl/describe.h"
#include "ctl/human.h"
#include "ctl/table.h"
#include "ctl/watch.h"
#include "lib/tunnel_state.h"
#include "lib/util.h"

#define FORWARDS_SHOWN 4 /* of one tunnel; `inspect` shows all of them */

enum column { NAME, STATE, AGE, HOST, FORWARDS, RTT, IN, OUT, CONNECTIONS, COLUMN_COUNT };

static const struct table_column columns[COLUMN_COUNT] = {
	[NAME] = { "NAME", false, 8, 0 },
	[STATE] = { "STATE", false, 0, 0 },
	[AGE] = { "FOR", true, 0, 5 },
	[HOST] = { "HOST", false, 12, 4 },
	[FORWARDS] = { "FORWARDS", false, 24, 0 },
	[RTT] = { "RTT", true, 0, 3 },
	[IN] = { "IN", true, 0, 1 },
	[OUT] = { "OUT", true, 0, 1 },
	[CONNECTIONS] = { "CONNS", true, 0, 2 },
};

static void set_taken(struct table *t, enum column column, enum style style, struct strbuf *text)
{
	char *taken = strbuf_take(text);

	if (taken)
		table_set(t, column, style, taken);
	else
		t->failed = true;
	free(taken);
}

static void add_note(struct table *t, enum style style, struct strbuf *text)
{
	char *taken = text->length > 0 || text->failed ? strbuf_take(text) : NULL;

	if (taken)
		table_note(t, style, taken);
	free(taken);
}

/* The first on the tunnel's own line, the others below it. */
static void add_forwards(struct table *t, const json_t *forwards, const struct term *term)
{
	size_t count = json_array_size(forwards);
	size_t shown = count > FORWARDS_SHOWN ? FORWARDS_SHOWN - 1 : count;

	for (size_t i = 0; i < shown; i++) {
		const json_t *forward = json_array_get(forwards, i);
		struct strbuf text = { 0 };

		if (i > 0)
			table_row(t);
		describe_forward(&text, forward, term);
		set_taken(t, FORWARDS, forward_style(forward), &text);
	}
	if (shown < count) {
		struct strbuf text = { 0 };

		strbuf_addf(&text, "and %zu more", count - shown);
		table_row(t);
		set_taken(t, FORWARDS, STYLE_DIM, &text);
	}
}

static void add_figures(struct table *t, const json_t *tunnel, bool connected)
{
	const json_t *rtt = json_object_get(tunnel, "rtt_ms");
	char text[HUMAN_MAX];

	table_set(t, RTT, STYLE_NONE,
		  connected && json_is_number(rtt) ? human_rtt(text, json_number_value(rtt)) : "-");
	table_set(t, IN, STYLE_NONE, human_bytes(text, get_count(tunnel, "bytes_in")));
	table_set(t, OUT, STYLE_NONE, human_bytes(text, get_count(tunnel, "bytes_out")));
	table_set(t, CONNECTIONS, STYLE_NONE, human_count(text, get_count(tunnel, "connections")));
}

/* A degraded tunnel's forwards say more than the tunnel does. */
static void add_reasons(struct table *t, const json_t *tunnel)
{
	enum style style = state_style(get_text(tunnel, "state"));
	bool forward_says = false;
	struct strbuf text = { 0 };
	json_t *forward;
	size_t i;

	json_array_foreach (json_object_get(tunnel, "forwards"), i, forward) {
		if (describe_failed_forward(&text, forward)) {
			add_note(t, STYLE_RED, &text);
			forward_says = true;
		}
	}
	if (!forward_says || strcmp(get_text(tunnel, "state"), "degraded") != 0)
		describe_reason(&text, tunnel, 0);
	add_note(t, style, &text);
}

static void add_tunnel(struct table *t, const json_t *tunnel, const struct term *term)
{
	const char *state = get_text(tunnel, "state");
	const char *server = get_text(tunnel, "server"); /* of several, the one in use */
	int known = tunnel_state_from_name(state);
	struct strbuf age = { 0 };

	table_row(t);
	table_set(t, NAME, STYLE_NONE, get_text(tunnel, "name"));
	table_set(t, STATE, state_style(state), state);
	describe_age(&age, tunnel);
	set_taken(t, AGE, STYLE_NONE, &age);
	table_set(t, HOST, STYLE_NONE, *server ? server : get_text(tunnel, "host"));
	add_figures(t, tunnel, known >= 0 && tunnel_state_is_connected(known));
	add_forwards(t, json_object_get(tunnel, "forwards"), term);
	add_reasons(t, tunnel);
}

/* The table, or a sentence when there are none. */
static char *list_text(const json_t *tunnels, const struct term *term)
{
	struct table t;
	json_t *tunnel;
	char *text;
	size_t i;

	if (json_array_size(tunnels) == 0)
		return strdup(
			"No tunnels yet. Write one into tunneld.yaml and run 'tunctl reload', or:\n"
			"  tunctl add NAME -L 5432:db.internal:5432 USER@HOST\n");
	table_init(&t, columns, COLUMN_COUNT);
	json_array_foreach (tunnels, i, tunnel)
		add_tunnel(&t, tunnel, term);
	text = table_text(&t, term);
	table_fini(&t);
	return text;
}

/* "12 tunnels: 10 up, 1 backoff, 1 failed". */
static void list_summary(struct strbuf *to, const json_t *tunnels)
{
	static const enum tunnel_state order[] = {
		TUNNEL_UP,        TUNNEL_DEGRADED,       TUNNEL_CONNECTING,
		TUNNEL_VERIFYING, TUNNEL_AUTHENTICATING, TUNNEL_OPENING,
		TUNNEL_BACKOFF,   TUNNEL_FAILED,         TUNNEL_STOPPED,
	};
	size_t counts[TUNNEL_STATE_COUNT] = { 0 }, i, total = json_array_size(tunnels);
	const char *separator = ": ";
	json_t *tunnel;

	json_array_foreach (tunnels, i, tunnel) {
		int state = tunnel_state_from_name(get_text(tunnel, "state"));

		if (state >= 0)
			counts[state]++;
	}
	strbuf_addf(to, "%zu tunnel%s", total, total == 1 ? "" : "s");
	for (i = 0; i < ARRAY_SIZE(order); i++) {
		if (counts[order[i]] == 0)
			continue;
		strbuf_addf(to, "%s%zu %s", separator, counts[order[i]],
			    tunnel_state_name(order[i]));
		separator = ", ";
	}
}

/* All tunnels the command line asks for, an array (new reference). NULL with f filled. */
static json_t *fetch(struct ctl *ctl, struct failure *f)
{
	json_t *parameters = ctl_wanted(ctl, f);

	/* With `more` the daemon answers one tunnel a reply, so that no number of them is too many.
	 */
	return parameters
		       ? ctl_call_items(ctl, MANAGER_METHOD("List"), parameters, "tunnels", true, f)
		       : NULL;
}

static const struct view view = { fetch, list_text, list_summary };

static void print_names(const json_t *tunnels)
{
	json_t *tunnel;
	size_t i;

	json_array_foreach (tunnels, i, tunnel)
		puts(get_text(tunnel, "name"));
}

int run_list(struct ctl *ctl, struct failure *f)
{
	CLEANUP(freep) char *text = NULL;
	json_t *tunnels;

	if (args_has(&ctl->args, OPTION_WATCH))
		return watch(ctl, &view, f);
	tunnels = fetch(ctl, f);
	if (!tunnels)
		return -1;
	if (ctl->json)
		ctl_print_json(ctl, tunnels);
	else if (args_has(&ctl->args, OPTION_NAMES))
		print_names(tunnels);
	else
		text = list_text(tunnels, &ctl->out);
	json_decref(tunnels);
	if (text)
		fputs(text, stdout);
	return EXIT_OK;
}
