/* SPDX-License-Identifier: MIT */
/*
 * Methods about host keys: HostKeys shows what the servers of a tunnel have last shown and what is
 * known of that; HostKeyAccept writes one down, for a person who has compared its fingerprint. That
 * is computed here from the key itself, never taken from a worker's word.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/common/log.h"
#include "daemon/supervisor/commands.h"
#include "lib/host_key.h"
#include "lib/known_hosts.h"
#include "lib/str.h"
#include "lib/util.h"

/* ---- HostKeys ---- */

struct shown_row {
	unsigned route, hop;
	struct connection_settings settings;
	struct public_key key;
	/* found by the thread */
	json_t *json;
};

struct showing {
	struct call *call; /* NULL: the client has left */
	struct offload_job *job;
	struct shown_row *rows;
	size_t count;
	struct err err;
};

static void showing_free(void *data)
{
	struct showing *s = data;

	for (size_t i = 0; i < s->count; i++) {
		connection_settings_fini(&s->rows[i].settings);
		public_key_fini(&s->rows[i].key);
		json_decref(s->rows[i].json);
	}
	free(s->rows);
	free(s);
}

static void on_gone(void *data)
{
	struct showing *s = data;

	offload_cancel(s->job);
}

static const char *standing_of(const struct shown_row *row, enum known_hosts_standing standing,
			       const char *print)
{
	if (standing == HOST_REVOKED || host_key_mode(&row->settings.host_key) != HOST_KEY_PINNED)
		return known_hosts_standing_name(standing);
	return host_key_is_pinned(&row->settings.host_key, &row->key, print) ? "pinned"
									     : "not-pinned";
}

static json_t *row_json(const struct shown_row *row, const struct known_hosts *known)
{
	const struct known_hosts_entry *entry;
	enum known_hosts_standing standing = known_hosts_judge(known, &row->key, &entry);
	char print[FINGERPRINT_MAX], other[FINGERPRINT_MAX];
	bool is_other = entry && !public_key_equal(&entry->key, &row->key);

	public_key_fingerprint(print, &row->key);
	if (is_other)
		public_key_fingerprint(other, &entry->key);
	return json_pack("{s:i, s:i, s:s, s:s, s:s, s:s, s:s, s:s?, s:o, s:s?, s:s?}", "route",
			 (int)row->route, "hop", (int)row->hop, "host", known->label, "type",
			 row->key.type, "fingerprint", print, "key", row->key.base64, "standing",
			 standing_of(row, standing, print), "file", entry ? entry->file : NULL,
			 "line", entry ? json_integer(entry->line) : json_null(), "known_type",
			 is_other ? entry->key.type : NULL, "known_fingerprint",
			 is_other ? other : NULL);
}

static void look_up(void *data)
{
	struct showing *s = data;

	for (size_t i = 0; i < s->count; i++) {
		struct shown_row *row = &s->rows[i];
		const struct connection_settings *c = &row->settings;
		struct known_hosts known;

		if (known_hosts_load(&known, c->host, c->port, c->host_key_alias, &c->known_hosts,
				     &s->err) < 0)
			return;
		row->json = row_json(row, &known);
		known_hosts_fini(&known);
	}
}

static void on_looked_up(void *data)
{
	struct showing *s = data;
	json_t *array = json_array();

	for (size_t i = 0; i < s->count && array; i++)
		json_array_append(array, s->rows[i].json);
	if (s->err.code == ERR_NONE) {
		call_reply(s->call, json_pack("{s:o}", "host_keys", array));
	} else {
		json_decref(array);
		commands_fail(s->call, &s->err, NULL);
	}
	showing_free(s);
}

static int add_row(struct showing *s, const struct tunnel *t, const struct shown_key *shown,
		   struct err *err)
{
	const struct connection_settings *c =
		config_hop_settings(t->spec, shown->route, shown->hop);
	struct shown_row *row = &s->rows[s->count];

	if (!c)
		return 0; /* of settings that are gone */
	*row = (struct shown_row){ .route = shown->route, .hop = shown->hop };
	s->count++;
	if (connection_settings_copy(&row->settings, c) < 0)
		return err_nomem(err);
	return public_key_set(&row->key, shown->key.type, shown->key.base64, err);
}

static struct showing *showing_new(const struct tunnel *t, struct err *err)
{
	struct showing *s = calloc(1, sizeof(*s));
	int rc = 0;

	if (s)
		s->rows = calloc(t->shown_keys.count + 1, sizeof(*s->rows));
	if (!s || !s->rows) {
		free(s);
		err_nomem(err);
		return NULL;
	}
	for (size_t i = 0; i < t->shown_keys.count && rc == 0; i++)
		rc = add_row(s, t, &t->shown_keys.items[i], err);
	if (rc == 0)
		return s;
	showing_free(s);
	return NULL;
}

void command_host_keys(struct supervisor *s, struct call *call)
{
	struct tunnel *t = commands_named_tunnel(s, call);
	struct showing *showing;
	struct err err;

	if (!t)
		return;
	showing = showing_new(t, &err);
	if (!showing) {
		commands_fail(call, &err, NULL);
		return;
	}
	showing->call = call;
	showing->job = offload_submit(s->disk, look_up, on_looked_up, showing_free, showing);
	if (showing->job) {
		call_defer(call, on_gone, showing);
		return;
	}
	showing_free(showing);
	err_nomem(&err);
	commands_fail(call, &err, NULL);
}

/* ---- HostKeyAccept ---- */

/* A person's word; several hops may have shown the same key. */
struct accepting {
	struct supervisor *supervisor;
	struct call *call; /* NULL: the client has left */
	uint64_t tunnel;
	unsigned references; /* writes that are not done, and command_host_key_accept() */
	json_t *written; /* AcceptedKey */
	struct err err; /* the first */
};

static void on_accept_gone(void *data)
{
	struct accepting *a = data;

	a->call = NULL;
}

static void finish(struct accepting *a)
{
	struct tunnel *t = tunnels_find_id(&a->supervisor->tunnels, a->tunnel);
	struct call *call = TAKE(a->call);

	if (a->err.code == ERR_NONE && t)
		sync_want(&a->supervisor->sync, t, true);
	if (!call)
		return;
	if (a->err.code == ERR_NONE)
		call_reply(call, json_pack("{s:O}", "accepted", a->written));
	else
		commands_fail(call, &a->err, NULL);
}

static void unref(void *data)
{
	struct accepting *a = data;

	if (--a->references > 0)
		return;
	json_decref(a->written);
	free(a);
}

/* Whether a server of t has shown this key, under the name it is known by now. */
static bool has_shown(const struct tunnel *t, const struct host_key_write *w)
{
	for (size_t i = 0; i < t->shown_keys.count; i++) {
		const struct shown_key *shown = &t->shown_keys.items[i];
		const struct connection_settings *c =
			config_hop_settings(t->spec, shown->route, shown->hop);

		if (c && c->port == w->port && strcmp(c->host, w->host) == 0 &&
		    public_key_equal(&shown->key, &w->key))
			return true;
	}
	return false;
}

/* Whoever failed for want of the same key need not be told one by one. */
static void start_others(struct supervisor *s, const struct host_key_write *w)
{
	for (size_t i = 0; i < s->tunnels.count; i++) {
		struct tunnel *t = s->tunnels.by_id[i];

		if (t->state == TUNNEL_FAILED && t->error &&
		    (t->error->code == ERR_HOST_KEY_UNKNOWN ||
		     t->error->code == ERR_HOST_KEY_CHANGED) &&
		    has_shown(t, w))
			sync_want(&s->sync, t, true);
	}
}

static void on_accepted(void *data, const struct host_key_write *w)
{
	struct accepting *a = data;
	const struct tunnel *t = tunnels_find_id(&a->supervisor->tunnels, a->tunnel);
	char print[FINGERPRINT_MAX];

	public_key_fingerprint(print, &w->key);
	if (w->err.code == ERR_NONE) {
		json_array_append_new(a->written, json_pack("{s:s, s:s, s:s, s:s?}", "host",
							    w->label, "type", w->key.type,
							    "fingerprint", print, "file", w->file));
		log_info("%s: the host key of %s was accepted by hand: %s %s%s%s",
			 t ? t->name : "a tunnel that is gone", w->label, w->key.type, print,
			 w->file ? ", written to " : "", w->file ? w->file : "");
		start_others(a->supervisor, w);
	} else if (a->err.code == ERR_NONE) {
		a->err = w->err;
	}
	if (a->references == 1)
		finish(a);
}

/* How many hops have shown it; -1 with err. */
static int write_matching(struct accepting *a, const struct tunnel *t, const char *fingerprint,
			  struct err *err)
{
	struct host_key_writer writer = { .on_done = on_accepted, .free = unref, .data = a };
	char print[FINGERPRINT_MAX];
	int count = 0;

	for (size_t i = 0; i < t->shown_keys.count; i++) {
		const struct shown_key *shown = &t->shown_keys.items[i];
		const struct connection_settings *c =
			config_hop_settings(t->spec, shown->route, shown->hop);

		if (!c || strcmp(public_key_fingerprint(print, &shown->key), fingerprint) != 0)
			continue;
		if (host_key_mode(&c->host_key) == HOST_KEY_PINNED)
			return err_set(
				err, ERR_HOST_KEY_CHANGED,
				"'host_key' pins the keys of %s (%s:%u); change the pin there",
				c->host, t->spec->source, t->spec->line);
		a->references++;
		if (host_keys_write(&a->supervisor->host_keys, c, &shown->key, true, &writer, err) <
		    0) {
			a->references--;
			return -1;
		}
		count++;
	}
	return count;
}

static int refuse_fingerprint(const struct tunnel *t, const char *fingerprint, struct err *err)
{
	char shown[64];

	str_escape(shown, sizeof(shown), fingerprint, strlen(fingerprint));
	if (t->shown_keys.count == 0)
		return err_set(
			err, ERR_USAGE,
			"no server of '%s' has shown a key yet; start it first: tunctl up %s",
			t->name, t->name);
	return err_set(err, ERR_USAGE,
		       "no server of '%s' has shown a key %s; 'tunctl hostkey show %s' shows what "
		       "they have",
		       t->name, shown, t->name);
}

static struct accepting *accepting_new(struct supervisor *s, const struct tunnel *t,
				       struct call *call)
{
	struct accepting *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	*a = (struct accepting){ .supervisor = s, .call = call, .tunnel = t->id, .references = 1 };
	a->written = json_array();
	return a;
}

void command_host_key_accept(struct supervisor *s, struct call *call)
{
	const char *fingerprint =
		json_string_value(json_object_get(call->request.parameters, "fingerprint"));
	struct tunnel *t = commands_named_tunnel(s, call);
	struct accepting *a;
	struct err err;
	int count;

	if (!t)
		return;
	a = accepting_new(s, t, call);
	if (!a) {
		err_nomem(&err);
		commands_fail(call, &err, NULL);
		return;
	}
	count = write_matching(a, t, fingerprint, &err);
	if (count == 0)
		count = refuse_fingerprint(t, fingerprint, &err);
	if (count < 0) {
		a->call = NULL; /* what is written all the same is nobody's news */
		commands_fail(call, &err, NULL);
	} else {
		call_defer(call, on_accept_gone, a);
		if (a->references == 1) /* nothing had to wait */
			finish(a);
	}
	unref(a);
}
