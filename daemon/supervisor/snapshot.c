/* SPDX-License-Identifier: MIT */
#include "daemon/supervisor/snapshot.h"

#include <stdio.h>
#include <time.h>

#include "daemon/supervisor/listening.h"
#include "lib/util.h"

json_t *snapshot_time(uint64_t realtime_ms)
{
	time_t seconds = (time_t)(realtime_ms / 1000);
	char text[40];
	struct tm utc;
	size_t used;

	gmtime_r(&seconds, &utc);
	used = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(text + used, sizeof(text) - used, ".%03uZ", (unsigned)(realtime_ms % 1000));
	return json_string(text);
}

json_t *snapshot_error(enum err_code code, const char *message)
{
	if (code == ERR_NONE)
		return json_null();
	return json_pack("{s:s, s:s}", "code", err_slug(code), "message", message ? message : "");
}

json_t *snapshot_err(const struct err *err)
{
	return err ? snapshot_error(err->code, err->msg) : json_null();
}

json_t *snapshot_strings(const struct strv *v)
{
	json_t *array = json_array();

	for (size_t i = 0; array && i < v->count; i++) {
		if (json_array_append_new(array, json_string(v->items[i])) < 0) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

static json_int_t sum(uint64_t before, uint64_t now)
{
	return (json_int_t)(before + now);
}

/* ---- forwards ---- */

/* How many from here on have the same host and consecutive ports: a range is one text. */
static size_t run_length(struct listener *const *sockets, size_t count)
{
	size_t length = 1;

	while (length < count) {
		struct address next = sockets[length]->address;

		if (address_port(&next) != address_port(&sockets[0]->address) + length)
			break;
		address_set_port(&next, address_port(&sockets[0]->address));
		if (!address_equal(&next, &sockets[0]->address))
			break;
		length++;
	}
	return length;
}

static json_t *run_text(const struct address *first, size_t length)
{
	char text[ADDRESS_TEXT_MAX];

	address_format(text, first);
	if (length == 1)
		return json_string(text);
	return json_sprintf("%s-%u", text, (unsigned)(address_port(first) + length - 1));
}

static json_t *addresses(const struct forward *f)
{
	struct listener *const *sockets = NULL;
	json_t *array = json_array();
	size_t count = 0, length;

	if (f->listening)
		sockets = listening_sockets(f->listening, &count);
	for (size_t i = 0; array && i < count; i += length) {
		length = address_is_unix(&sockets[i]->address) ? 1
							       : run_length(sockets + i, count - i);
		json_array_append_new(array, run_text(&sockets[i]->address, length));
	}
	return array;
}

/* What was asked for, with the port that was really taken. */
static char *listen_text(char *out, size_t size, const struct forward *f)
{
	struct config_end end = f->spec->listen;

	if (f->port)
		end.port = f->port;
	return config_end_text(out, size, &end, f->spec->port_count);
}

static const char *source_of(const struct forward *f)
{
	return f->spec->added ? "added" : f->tunnel->spec->source;
}

static json_t *forward_snapshot(const struct forward *f)
{
	const struct config_forward *spec = f->spec;
	const struct wire_counters *c = &f->counters, *b = &f->before;
	char listen[CONFIG_END_TEXT_MAX], target[CONFIG_END_TEXT_MAX];

	listen_text(listen, sizeof(listen), f);
	config_end_text(target, sizeof(target), &spec->target, spec->port_count);
	return json_pack("{s:s, s:s, s:s, s:o, s:s, s:s, s:s?, s:o, s:I, s:I, s:I, s:I, s:s}",
			 "name", spec->name, "type", forward_type_name(spec->type), "listen",
			 listen, "addresses", addresses(f), "target", target, "state",
			 forward_state_name(f->state), "note", f->note, "error",
			 snapshot_err(f->error), "connections", (json_int_t)c->connections,
			 "connections_total", sum(b->connections_total, c->connections_total),
			 "bytes_in", sum(b->bytes_in, c->bytes_in), "bytes_out",
			 sum(b->bytes_out, c->bytes_out), "source", source_of(f));
}

static json_t *forwards(const struct tunnel *t)
{
	json_t *array = json_array();
	struct forward *f;

	if (!array)
		return NULL;
	list_for_each (f, &t->forwards, link) {
		if (json_array_append_new(array, forward_snapshot(f)) < 0) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

/* ---- tunnels ---- */

static json_t *retry_in(const struct tunnel *t)
{
	uint64_t now = monotonic_ms();

	if (t->state != TUNNEL_BACKOFF)
		return json_null();
	return json_integer(t->retry_at_ms > now ? (json_int_t)(t->retry_at_ms - now) : 0);
}

json_t *snapshot_rtt(int64_t rtt_us)
{
	return rtt_us < 0 ? json_null() : json_real((double)rtt_us / 1000);
}

json_t *snapshot_tunnel(const struct tunnel *t)
{
	const struct wire_counters *c = &t->counters, *b = &t->before;

	return json_pack(
		"{s:s, s:s, s:o, s:s, s:s, s:o, s:i, s:o, s:o, s:o, s:I, s:I, s:I, s:I, "
		"s:o, s:o, s:s}",
		"name", t->name, "state", tunnel_state_name(t->state), "since",
		snapshot_time(t->since_ms), "host", t->spec->host, "server", tunnel_route(t)->host,
		"hops", snapshot_hops(t), "attempt", (int)t->attempt, "retry_in_ms", retry_in(t),
		"rtt_ms", snapshot_rtt(t->rtt_us), "error", snapshot_err(t->error), "bytes_in",
		sum(b->bytes_in, c->bytes_in), "bytes_out", sum(b->bytes_out, c->bytes_out),
		"connections", (json_int_t)c->connections, "connections_total",
		sum(b->connections_total, c->connections_total), "forwards", forwards(t), "tags",
		snapshot_strings(&t->spec->tags), "source", t->spec->source);
}

json_t *snapshot_session(const struct wire_session *s)
{
	if (!s || !s->address[0])
		return json_null();
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "address", s->address, "server_version",
			 s->server_version, "cipher", s->cipher, "kex", s->kex, "host_key",
			 s->host_key, "identity", s->identity);
}

json_t *snapshot_events(const struct tunnel *t)
{
	json_t *array = json_array();

	for (size_t i = 0; array && i < t->history.count; i++) {
		const struct history_event *e = history_at(&t->history, i);
		json_t *event = json_pack("{s:o, s:s, s:o}", "time", snapshot_time(e->at_ms),
					  "state", tunnel_state_name(e->state), "error",
					  snapshot_error(e->code, e->message));

		if (json_array_append_new(array, event) < 0) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}
