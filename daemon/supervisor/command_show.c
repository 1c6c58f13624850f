/* SPDX-License-Identifier: MIT */
/*
 * Methods that only look: List, Inspect, Status. A list of thousands is built a few tunnels a turn,
 * as fast as the client reads it.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/supervisor/commands.h"
#include "daemon/supervisor/snapshot.h"
#include "daemon/supervisor/wanted_secrets.h"
#include "lib/str.h"
#include "lib/util.h"

#define PER_STEP 16 /* tunnels */

/* ---- List ---- */

/* A list under way. It holds ids, so tunnels may go while it is sent. */
struct listing {
	struct supervisor *supervisor;
	uint64_t *ids;
	size_t count, next;
	struct strbuf text; /* without `more`: the one reply, as far as it is written */
};

static void listing_free(void *data)
{
	struct listing *l = data;

	strbuf_fini(&l->text);
	free(l->ids);
	free(l);
}

static struct tunnel *next_tunnel(struct listing *l)
{
	while (l->next < l->count) {
		struct tunnel *t = tunnels_find_id(&l->supervisor->tunnels, l->ids[l->next++]);

		if (t)
			return t;
	}
	return NULL;
}

static json_t *one_tunnel(struct tunnel *t)
{
	return commands_snapshots(&t, t ? 1 : 0);
}

/* One more reply, the last one without `continues`; true: go on. */
static bool stream_step(struct call *call, void *data)
{
	struct listing *l = data;

	for (int i = 0; i < PER_STEP && call_has_room(call); i++) {
		json_t *reply = one_tunnel(next_tunnel(l));

		if (l->next < l->count) {
			struct client *client = call->client;

			call_continue(call, reply);
			if (client->closed)
				return false;
			continue;
		}
		listing_free(l);
		call_reply(call, reply);
		return false;
	}
	return true;
}

/* Written piece by piece: as one tree, a thousand tunnels would keep the loop for too long. */
static void collect(struct listing *l, struct tunnel *t)
{
	json_t *snapshot = snapshot_tunnel(t);
	CLEANUP(freep) char *text = snapshot ? json_dumps(snapshot, JSON_COMPACT) : NULL;

	json_decref(snapshot);
	strbuf_add(&l->text, l->text.length ? "," : "{\"parameters\":{\"tunnels\":[");
	strbuf_add(&l->text, text ? text : "");
	l->text.failed |= !text;
}

static bool collect_step(struct call *call, void *data)
{
	struct listing *l = data;
	char *text;

	for (int i = 0; i < PER_STEP; i++) {
		struct tunnel *t = next_tunnel(l);

		if (t && l->text.length <= VARLINK_MESSAGE_MAX) { /* else it is refused anyway */
			collect(l, t);
			continue;
		}
		if (!l->text.length)
			strbuf_add(&l->text, "{\"parameters\":{\"tunnels\":[");
		strbuf_add(&l->text, "]}}");
		text = strbuf_take(&l->text);
		listing_free(l);
		call_reply_text(call, text);
		return false;
	}
	return true;
}

void commands_reply_list(struct supervisor *s, struct call *call, struct tunnel **tunnels,
			 size_t count)
{
	struct listing *l = calloc(1, sizeof(*l));
	struct err err;

	if (l) {
		l->supervisor = s;
		l->count = count;
		l->ids = calloc(MAX(count, 1U), sizeof(*l->ids));
	}
	if (!l || !l->ids) {
		if (l)
			listing_free(l);
		err_nomem(&err);
		commands_fail(call, &err, NULL);
		return;
	}
	commands_sort_by_name(tunnels, count);
	for (size_t i = 0; i < count; i++)
		l->ids[i] = tunnels[i]->id;
	call_stream(call, call->request.more ? stream_step : collect_step, listing_free, l);
}

void command_list(struct supervisor *s, struct call *call)
{
	size_t count;
	CLEANUP(freep) struct tunnel **found = commands_named_tunnels(s, call, false, &count);

	if (found)
		commands_reply_list(s, call, found, count);
}

/* ---- Inspect ---- */

static bool is_kept(void *data, enum question_kind kind, const char *subject)
{
	return secrets_have(data, kind, subject);
}

void command_inspect(struct supervisor *s, struct call *call)
{
	struct tunnel *t = commands_named_tunnel(s, call);

	if (!t)
		return;
	call_reply(call,
		   json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b}", "tunnel",
			     snapshot_tunnel(t), "servers", snapshot_servers(t), "settings",
			     snapshot_settings(t->spec), "session", snapshot_session(t->session),
			     "jumps", snapshot_jumps(t), "events", snapshot_events(t), "worker",
			     t->worker ? json_integer(t->worker->index) : json_null(),
			     "secret_kept",
			     (int)wanted_secrets_any(t->spec, is_kept, &s->questions.secrets)));
}

/* ---- Status ---- */

/* Counted from the tunnels: the worker's own count is as old as its last heartbeat. */
static unsigned sessions_of(const struct worker *w)
{
	unsigned count = 0;
	struct tunnel *t;

	list_for_each (t, &w->tunnels, worker_link)
		count += tunnel_state_is_connected(t->state);
	return count;
}

static json_t *worker_snapshot(const struct worker *w)
{
	json_t *pid = w->process.pid ? json_integer(w->process.pid) : json_null();

	return json_pack("{s:I, s:o, s:s, s:I, s:I, s:I, s:I, s:o}", "index", (json_int_t)w->index,
			 "pid", pid, "state", worker_state_name(w->machine.state), "tunnels",
			 (json_int_t)w->tunnel_count, "sessions", (json_int_t)sessions_of(w),
			 "restarts", (json_int_t)w->machine.restarts, "worst_stall_us",
			 (json_int_t)w->worst_stall_us, "libssh",
			 w->libssh[0] ? json_string(w->libssh) : json_null());
}

static json_t *worker_snapshots(const struct workers *ws)
{
	json_t *array = json_array();
	struct worker *w;

	list_for_each (w, workers_all(ws), link)
		json_array_append_new(array, worker_snapshot(w));
	return array;
}

void command_status(struct supervisor *s, struct call *call)
{
	struct loop_stats stats;

	loop_stats(s->loop, &stats);
	call_reply(call,
		   json_pack("{s:s, s:i, s:o, s:s, s:I, s:I, s:o, s:I}", "version", TUNNELD_VERSION,
			     "pid", (int)getpid(), "since", snapshot_time(s->started_ms), "config",
			     s->source.config, "tunnels", (json_int_t)s->tunnels.count, "up",
			     (json_int_t)s->tunnels.in_state[TUNNEL_UP], "workers",
			     worker_snapshots(s->workers), "worst_stall_us",
			     (json_int_t)stats.worst_us));
}
