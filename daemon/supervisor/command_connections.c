/* SPDX-License-Identifier: MIT */
/*
 * Methods about open connections: Connections, Kill. Only workers know them, so they are asked, one
 * tunnel after the other and some connections at a time, as fast as the client reads. Ids are
 * "PROCESS-NUMBER", both counted by us and by it: one that was never given to this caller is none.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/supervisor/commands.h"
#include "daemon/supervisor/snapshot.h"
#include "lib/str.h"
#include "lib/util.h"

#define PAGES_MAX 4096 /* of one tunnel; what says more does not want to end */
#define REPLY_BEGIN "{\"parameters\":{\"connections\":["
#define REPLY_END "]}}"

/* ---- one connection ---- */

/* The time on the wall of what the worker says by the other clock. */
static json_t *wall_time(uint64_t monotonic)
{
	uint64_t now = monotonic_ms();

	return snapshot_time(realtime_ms() - (now - MIN(monotonic, now)));
}

/* Connections outlive their forward when it is dropped. */
static json_t *forward_name(const struct tunnel *t, uint64_t forward)
{
	const struct forward *f = tunnel_find_forward(t, forward);

	if (forward == 0)
		return json_null();
	return json_string(f ? f->spec->name : "(dropped)");
}

static json_t *snapshot_connection(const struct tunnel *t, const struct wire_connection *c)
{
	uint64_t now = monotonic_ms();
	char id[48];

	snprintf(id, sizeof(id), "%" PRIu64 "-%" PRIu64, c->id >> 32, c->id & UINT32_MAX);
	return json_pack("{s:s, s:s, s:o, s:s, s:s, s:s, s:o, s:I, s:I, s:I}", "id", id, "tunnel",
			 t->name, "forward", forward_name(t, c->forward), "state",
			 connection_state_name(c->state), "from", c->from, "to", c->to, "since",
			 wall_time(c->opened_at_ms), "idle_ms",
			 (json_int_t)(now - MIN(c->active_at_ms, now)), "bytes_in",
			 (json_int_t)c->bytes_in, "bytes_out", (json_int_t)c->bytes_out);
}

/* ---- Connections ---- */

/* A list under way. It holds ids, so tunnels may go while it is made. */
struct tour {
	struct supervisor *supervisor;
	struct call *call;
	struct ask ask;
	uint64_t *ids;
	size_t count, next; /* next: the tunnel that is being asked for */
	uint64_t after; /* the last connection it has told */
	unsigned pages; /* it has told */
	struct strbuf text; /* without `more`: the one reply, as far as it is written */
};

static void tour_free(void *data)
{
	struct tour *tour = data;

	ask_forget(&tour->ask);
	strbuf_fini(&tour->text);
	free(tour->ids);
	free(tour);
}

static void tour_fail(struct tour *tour, const struct err *err)
{
	struct call *call = tour->call;

	tour_free(tour);
	commands_fail(call, err, NULL);
}

static void next_tunnel(struct tour *tour)
{
	tour->next++;
	tour->after = 0;
	tour->pages = 0;
}

static int check_page(const struct tour *tour, const struct wire_connections *page, struct err *err)
{
	uint64_t last = tour->after;

	for (size_t i = 0; i < page->count; i++) {
		if (page->items[i].id <= last ||
		    page->items[i].id >> 32 != tour->ask.worker->generation)
			return err_set(err, ERR_PROTOCOL, "it numbers its connections wrongly");
		last = page->items[i].id;
	}
	if (page->more && (page->count == 0 || tour->pages == PAGES_MAX))
		return err_set(err, ERR_PROTOCOL, "its list of connections does not end");
	return 0;
}

/* Without `more`: text, because one tree of thousands would keep the loop for too long. */
static void collect_page(struct tour *tour, json_t *items)
{
	json_t *item;
	size_t i;

	json_array_foreach (items, i, item) {
		CLEANUP(freep) char *text = json_dumps(item, JSON_COMPACT);

		strbuf_add(&tour->text, tour->text.length ? "," : REPLY_BEGIN);
		strbuf_add(&tour->text, text ? text : "");
		tour->text.failed |= !text;
	}
	json_decref(items);
}

/* False: the client was closed, and the tour with it. */
static bool tell_page(struct tour *tour, const struct tunnel *t,
		      const struct wire_connections *page)
{
	struct client *client = tour->call->client;
	json_t *items = json_array();

	for (size_t i = 0; items && i < page->count; i++)
		json_array_append_new(items, snapshot_connection(t, &page->items[i]));
	if (tour->call->request.more)
		call_continue(tour->call, json_pack("{s:o}", "connections", items));
	else
		collect_page(tour, items);
	return !client->closed;
}

static int on_page(struct ask *ask, json_t *message, struct err *err)
{
	struct tour *tour = list_entry(ask, struct tour, ask);
	struct tunnel *t = tunnels_find_id(&tour->supervisor->tunnels, tour->ids[tour->next]);
	CLEANUP(freep) struct wire_connections *page = calloc(1, sizeof(*page));

	tour->pages++;
	if (!page)
		err_nomem(err);
	if (!page || wire_read_connections(message, page, err) < 0 ||
	    check_page(tour, page, err) < 0) {
		tour_fail(tour, err);
		return err->code == ERR_NOMEM ? 0 : -1;
	}
	if (t && page->count > 0 && !tell_page(tour, t, page))
		return 0;
	if (page->count > 0)
		tour->after = page->items[page->count - 1].id;
	if (!page->more)
		next_tunnel(tour);
	call_wake(tour->call);
	return 0;
}

static void on_page_failed(struct ask *ask, const struct err *why)
{
	tour_fail(list_entry(ask, struct tour, ask), why);
}

static void finish_tour(struct tour *tour)
{
	struct call *call = tour->call;
	bool more = call->request.more;
	char *text;

	if (!tour->text.length)
		strbuf_add(&tour->text, REPLY_BEGIN);
	strbuf_add(&tour->text, REPLY_END);
	text = strbuf_take(&tour->text);
	tour_free(tour);
	if (more) {
		free(text);
		call_reply(call, json_pack("{s:[]}", "connections"));
	} else {
		call_reply_text(call, text);
	}
}

/* The next tunnel that can have connections: where no worker knows of it, it has none. */
static struct tunnel *find_next(struct tour *tour)
{
	for (; tour->next < tour->count; next_tunnel(tour)) {
		struct tunnel *t =
			tunnels_find_id(&tour->supervisor->tunnels, tour->ids[tour->next]);

		if (t && t->worker && t->spec_told)
			return t;
	}
	return NULL;
}

static void ask_next(struct tour *tour, const struct tunnel *t)
{
	struct asks *asks = &tour->supervisor->asks;
	json_t *message = wire_ask_connections(asks_next_call(asks), t->id, tour->after);
	struct err err;

	if (ask(asks, &tour->ask, t->worker, message, ASK_PATIENCE_MS) == 0)
		return;
	err_set(&err, ERR_WORKER, "worker %u cannot be asked; it is being replaced",
		t->worker->index);
	tour_fail(tour, &err);
}

static bool tour_step(struct call *call, void *data)
{
	struct tour *tour = data;
	struct tunnel *t;

	if (ask_is_open(&tour->ask))
		return false;
	/* What is too long for one reply already is refused, however long it gets. */
	t = tour->text.length <= VARLINK_MESSAGE_MAX ? find_next(tour) : NULL;
	if (t)
		ask_next(tour, t);
	else
		finish_tour(tour);
	return false; /* the answer wakes it */
}

static struct tour *tour_new(struct supervisor *s, struct call *call, struct tunnel *const *tunnels,
			     size_t count)
{
	struct tour *tour = calloc(1, sizeof(*tour));

	if (!tour)
		return NULL;
	*tour = (struct tour){ .supervisor = s, .call = call, .count = count };
	tour->ask = (struct ask){ .answer = "connections",
				  .on_answer = on_page,
				  .on_failed = on_page_failed };
	tour->ids = calloc(MAX(count, 1U), sizeof(*tour->ids));
	if (!tour->ids) {
		free(tour);
		return NULL;
	}
	for (size_t i = 0; i < count; i++)
		tour->ids[i] = tunnels[i]->id;
	return tour;
}

void command_connections(struct supervisor *s, struct call *call)
{
	size_t count;
	CLEANUP(freep) struct tunnel **found = commands_named_tunnels(s, call, false, &count);
	struct tour *tour;
	struct err err;

	if (!found)
		return;
	commands_sort_by_name(found, count);
	tour = tour_new(s, call, found, count);
	if (tour) {
		call_stream(call, tour_step, tour_free, tour);
		return;
	}
	err_nomem(&err);
	commands_fail(call, &err, NULL);
}

/* ---- Kill ---- */

struct kill {
	struct call *call;
	struct ask ask;
};

static void kill_free(void *data)
{
	struct kill *k = data;

	ask_forget(&k->ask);
	free(k);
}

/* "0", "12"; no sign, no leading zero, at most 32 bits. */
static bool parse_number(const char **text, uint64_t *ret)
{
	const char *p = *text;

	*ret = 0;
	if (*p < '0' || *p > '9' || (p[0] == '0' && p[1] >= '0' && p[1] <= '9'))
		return false;
	for (; *p >= '0' && *p <= '9' && *ret <= UINT32_MAX; p++)
		*ret = *ret * 10 + (uint64_t)(*p - '0');
	*text = p;
	return *ret <= UINT32_MAX;
}

bool command_parse_connection(const char *text, uint64_t *ret)
{
	uint64_t generation, number;

	if (!parse_number(&text, &generation) || *text++ != '-' || !parse_number(&text, &number) ||
	    *text)
		return false;
	*ret = generation << 32 | number;
	return true;
}

static void fail_no_such(struct call *call)
{
	json_t *id = json_object_get(call->request.parameters, "id");
	const char *text = json_string_value(id);
	char shown[64];
	json_t *parameters;
	struct err err;

	err_set(&err, ERR_NO_SUCH_CONNECTION,
		"there is no connection '%s' (any more); tunctl connections shows them",
		str_escape(shown, sizeof(shown), text, strlen(text)));
	parameters = commands_error_parameters(&err, NULL);
	json_object_set(parameters, "id", id);
	call_error(call, commands_error_name(err.code), parameters);
}

static int on_killed(struct ask *ask, json_t *message, struct err *err)
{
	struct kill *k = list_entry(ask, struct kill, ask);
	struct call *call = k->call;
	uint64_t number;
	bool found;

	kill_free(k);
	if (wire_read_killed(message, &number, &found, err) < 0) {
		commands_fail(call, err, NULL);
		return -1;
	}
	if (found)
		call_reply(call, NULL);
	else
		fail_no_such(call);
	return 0;
}

static void on_kill_failed(struct ask *ask, const struct err *why)
{
	struct kill *k = list_entry(ask, struct kill, ask);
	struct call *call = k->call;

	kill_free(k);
	commands_fail(call, why, NULL);
}

void command_kill(struct supervisor *s, struct call *call)
{
	const char *text = json_string_value(json_object_get(call->request.parameters, "id"));
	struct worker *w = NULL;
	struct kill *k;
	struct err err;
	uint64_t id;

	if (command_parse_connection(text, &id))
		w = workers_find_generation(s->workers, id >> 32);
	if (!w) {
		fail_no_such(call);
		return;
	}
	k = calloc(1, sizeof(*k));
	if (k) {
		k->call = call;
		k->ask = (struct ask){ .answer = "killed",
				       .on_answer = on_killed,
				       .on_failed = on_kill_failed };
		if (ask(&s->asks, &k->ask, w, wire_kill(asks_next_call(&s->asks), id),
			ASK_PATIENCE_MS) == 0) {
			call_defer(call, kill_free, k);
			return;
		}
		free(k);
	}
	err_nomem(&err);
	commands_fail(call, &err, NULL);
}
