/* SPDX-License-Identifier: MIT */
/*
 * `tunctl connections`, who is connected to what through which tunnel, and `tunctl kill`, which
 * ends one.
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

enum column { ID, TUNNEL, FORWARD, FROM, TO, AGE, IDLE, IN, OUT, COLUMN_COUNT };

static const struct table_column columns[COLUMN_COUNT] = {
	[ID] = { "ID", false, 0, 0 },
	[TUNNEL] = { "TUNNEL", false, 8, 0 },
	[FORWARD] = { "FORWARD", false, 12, 3 },
	[FROM] = { "FROM", false, 12, 4 },
	[TO] = { "TO", false, 12, 0 },
	[AGE] = { "AGE", true, 0, 2 },
	[IDLE] = { "IDLE", true, 0, 0 },
	[IN] = { "IN", true, 0, 1 },
	[OUT] = { "OUT", true, 0, 1 },
};

/* "db:5432", with the state of one that is not there yet. */
static void add_target(struct table *t, const json_t *connection)
{
	const char *to = get_text(connection, "to"), *state = get_text(connection, "state");
	bool open = strcmp(state, connection_state_name(CONNECTION_OPEN)) == 0;
	struct strbuf text = { 0 };

	strbuf_add(&text, to);
	if (!open && *state)
		strbuf_addf(&text, "%s(%s)", *to ? " " : "", state);
	table_set(t, TO, open ? STYLE_NONE : STYLE_CYAN, text.data ? text.data : "");
	strbuf_fini(&text);
}

static void add_connection(struct table *t, const json_t *connection)
{
	bool of_forward = json_is_string(json_object_get(connection, "forward"));
	struct strbuf age = { 0 };
	char text[HUMAN_MAX];

	table_row(t);
	table_set(t, ID, STYLE_NONE, get_text(connection, "id"));
	table_set(t, TUNNEL, STYLE_NONE, get_text(connection, "tunnel"));
	table_set(t, FORWARD, STYLE_NONE, of_forward ? get_text(connection, "forward") : "nc");
	table_set(t, FROM, STYLE_NONE, get_text(connection, "from"));
	add_target(t, connection);
	describe_age(&age, connection);
	table_set(t, AGE, STYLE_NONE, age.data ? age.data : "-");
	table_set(t, IDLE, STYLE_NONE, human_duration(text, get_count(connection, "idle_ms")));
	table_set(t, IN, STYLE_NONE, human_bytes(text, get_count(connection, "bytes_in")));
	table_set(t, OUT, STYLE_NONE, human_bytes(text, get_count(connection, "bytes_out")));
	strbuf_fini(&age);
}

static char *connections_text(const json_t *connections, const struct term *term)
{
	struct table t;
	json_t *connection;
	char *text;
	size_t i;

	if (json_array_size(connections) == 0)
		return strdup("No open connections.\n");
	table_init(&t, columns, COLUMN_COUNT);
	json_array_foreach (connections, i, connection)
		add_connection(&t, connection);
	text = table_text(&t, term);
	table_fini(&t);
	return text;
}

static void connections_summary(struct strbuf *to, const json_t *connections)
{
	size_t count = json_array_size(connections);

	strbuf_addf(to, "%zu open connection%s", count, count == 1 ? "" : "s");
}

/* "3-217": generation and number, each counted up. */
static int compare_ids(const char *a, const char *b)
{
	for (int part = 0; part < 2; part++) {
		char *rest_a, *rest_b;
		unsigned long x = strtoul(a, &rest_a, 10), y = strtoul(b, &rest_b, 10);

		if (x != y)
			return x < y ? -1 : 1;
		a = rest_a + (*rest_a == '-');
		b = rest_b + (*rest_b == '-');
	}
	return strcmp(a, b);
}

/* By tunnel, then forward, then age. */
static int compare(const void *a, const void *b)
{
	const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
	int rc = strcmp(get_text(x, "tunnel"), get_text(y, "tunnel"));

	if (rc == 0)
		rc = strcmp(get_text(x, "forward"), get_text(y, "forward"));
	return rc ? rc : compare_ids(get_text(x, "id"), get_text(y, "id"));
}

/* Takes the reference to connections. NULL: out of memory, f filled. */
static json_t *sorted(json_t *connections, struct failure *f)
{
	size_t count = json_array_size(connections), i;
	CLEANUP(freep) json_t **items = calloc(count + 1, sizeof(*items));
	json_t *result = items ? json_array() : NULL, *connection;
	int failed = 0;

	if (result) {
		json_array_foreach (connections, i, connection)
			items[i] = connection;
		qsort(items, count, sizeof(json_t *), compare);
		for (i = 0; i < count; i++)
			failed |= json_array_append(result, items[i]);
	}
	json_decref(connections);
	if (failed)
		json_decref(TAKE(result));
	if (!result)
		failure_nomem(f);
	return result;
}

static json_t *fetch(struct ctl *ctl, struct failure *f)
{
	json_t *parameters = ctl_wanted(ctl, f), *connections;

	if (!parameters)
		return NULL;
	connections = ctl_call_items(ctl, MANAGER_METHOD("Connections"), parameters, "connections",
				     true, f);
	return connections ? sorted(connections, f) : NULL;
}

static const struct view view = { fetch, connections_text, connections_summary };

int run_connections(struct ctl *ctl, struct failure *f)
{
	CLEANUP(freep) char *text = NULL;
	json_t *connections;

	if (args_has(&ctl->args, OPTION_WATCH))
		return watch(ctl, &view, f);
	connections = fetch(ctl, f);
	if (!connections)
		return -1;
	if (ctl->json)
		ctl_print_json(ctl, connections);
	else
		text = connections_text(connections, &ctl->out);
	json_decref(connections);
	if (text)
		fputs(text, stdout);
	return EXIT_OK;
}

static int kill_one(struct ctl *ctl, const char *id, struct failure *f)
{
	json_t *parameters = json_pack("{s:s}", "id", id), *reply;

	if (!parameters)
		return failure_set(f, EXIT_USAGE, ERR_USAGE, "an id is not valid UTF-8");
	reply = ctl_call(ctl, MANAGER_METHOD("Kill"), parameters, f);
	if (!reply)
		return -1;
	if (!ctl->json)
		printf("%s: ended\n", id);
	json_decref(reply);
	return 0;
}

/* One that is gone already is no reason to leave the others: it is told, and the last told counts.
 */
int run_kill(struct ctl *ctl, struct failure *f)
{
	int rc = EXIT_OK;

	for (size_t i = 0; i < ctl->args.operand_count; i++) {
		struct failure own = { 0 };

		if (kill_one(ctl, ctl->args.operands[i], &own) == 0)
			continue;
		if (rc < 0) {
			failure_print(f, stderr, ctl->json);
			failure_fini(f);
		}
		*f = own;
		rc = -1;
		if (own.exit != EXIT_FAILED)
			break;
	}
	return rc;
}
