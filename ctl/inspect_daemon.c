/* SPDX-License-Identifier: MIT */
/*
 * `tunctl inspect --daemon`: who serves the control socket, since when, with which configuration,
 * and how its workers are.
 */
#include "ctl/ctl.h"
#include "ctl/describe.h"
#include "ctl/human.h"
#include "ctl/sheet.h"
#include "lib/util.h"

enum column { INDEX, STATE, PID, TUNNELS, SESSIONS, RESTARTS, STALL, LIBSSH, COLUMN_COUNT };

static const struct table_column columns[COLUMN_COUNT] = {
	[INDEX] = { "WORKER", true, 0, 0 },      [STATE] = { "STATE", false, 0, 0 },
	[PID] = { "PID", true, 0, 0 },           [TUNNELS] = { "TUNNELS", true, 0, 0 },
	[SESSIONS] = { "SESSIONS", true, 0, 0 }, [RESTARTS] = { "RESTARTS", true, 0, 0 },
	[STALL] = { "STALL", true, 0, 0 },       [LIBSSH] = { "LIBSSH", false, 0, 0 },
};

static const char *milliseconds(char out[HUMAN_MAX], const json_t *object, const char *key)
{
	return human_rtt(out, (double)get_count(object, key) / 1000);
}

static void add_worker(struct table *t, const json_t *worker)
{
	static const struct {
		enum column column;
		const char *key;
	} counts[] = {
		{ INDEX, "index" },       { PID, "pid" },           { TUNNELS, "tunnels" },
		{ SESSIONS, "sessions" }, { RESTARTS, "restarts" },
	};
	char number[HUMAN_MAX];

	table_row(t);
	for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
		bool known = json_is_integer(json_object_get(worker, counts[i].key));

		table_set(t, counts[i].column, STYLE_NONE,
			  known ? human_count(number, get_count(worker, counts[i].key)) : "-");
	}
	table_set(t, STATE, STYLE_NONE, get_text(worker, "state"));
	table_set(t, STALL, STYLE_NONE, milliseconds(number, worker, "worst_stall_us"));
	table_set(t, LIBSSH, STYLE_NONE, get_text(worker, "libssh"));
}

static void add_facts(struct sheet *s, const struct ctl *ctl, const json_t *status)
{
	char a[HUMAN_MAX], b[HUMAN_MAX];
	struct strbuf text = { 0 };

	strbuf_addf(&s->text, "%stunneld %s%s\n", term_begin(s->term, STYLE_BOLD),
		    get_text(status, "version"), term_end(s->term, STYLE_BOLD));
	sheet_row(s, "pid", human_count(a, get_count(status, "pid")));
	describe_age(&text, status);
	strbuf_addf(&text, " (since %s)",
		    human_time(a, human_parse_time(get_text(status, "since"))));
	sheet_row_taken(s, "running for", &text);
	sheet_row(s, "configuration", get_text(status, "config"));
	sheet_row(s, "socket", ctl->client.path);
	strbuf_addf(&text, "%s, %s up", human_count(a, get_count(status, "tunnels")),
		    human_count(b, get_count(status, "up")));
	sheet_row_taken(s, "tunnels", &text);
	sheet_row(s, "worst stall", milliseconds(a, status, "worst_stall_us"));
}

static void print_status(const struct ctl *ctl, const json_t *status)
{
	struct sheet s = { .term = &ctl->out };
	struct table t;
	json_t *worker;
	size_t i;

	add_facts(&s, ctl, status);
	sheet_section(&s, "Workers");
	table_init(&t, columns, COLUMN_COUNT);
	json_array_foreach (json_object_get(status, "workers"), i, worker)
		add_worker(&t, worker);
	sheet_table(&s, &t);
	sheet_print(&s);
}

int inspect_daemon(struct ctl *ctl, struct failure *f)
{
	json_t *status = ctl_call(ctl, MANAGER_METHOD("Status"), NULL, f);

	if (!status)
		return -1;
	if (ctl->json)
		ctl_print_json(ctl, status);
	else
		print_status(ctl, status);
	json_decref(status);
	return EXIT_OK;
}
