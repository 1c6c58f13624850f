/* SPDX-License-Identifier: MIT */
#include "daemon/supervisor/host_keys.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/common/log.h"
#include "daemon/common/wire_hostkey.h"
#include "daemon/supervisor/known_hosts_file.h"
#include "daemon/supervisor/shown_keys.h"
#include "lib/host_key.h"
#include "lib/known_hosts.h"

#define WAITING_MAX 8192 /* one for each hop there can reasonably be */

static void begin_next(struct host_keys *hk);

static void write_free(void *data)
{
	struct host_key_write *w = data;

	list_remove(&w->link);
	if (w->writer.free)
		w->writer.free(w->writer.data);
	free(w->host);
	free(w->alias);
	strv_fini(&w->files);
	public_key_fini(&w->key);
	free(w->label);
	free(w->file);
	free(w);
}

/* ---- on the thread ---- */

static int refuse(struct host_key_write *w, const struct known_hosts_entry *entry,
		  enum known_hosts_standing standing)
{
	char shown[PUBLIC_KEY_TEXT_MAX];

	public_key_describe(shown, &w->key);
	if (standing == HOST_REVOKED)
		return err_set(&w->err, ERR_HOST_KEY_REVOKED,
			       "host key of %s is revoked (%s:%u): %s; do not trust this server",
			       w->label, entry->file, entry->line, shown);
	return err_set(&w->err, ERR_HOST_KEY_CHANGED,
		       "host key of %s is not new: %s:%u has another one; it showed %s", w->label,
		       entry->file, entry->line, shown);
}

static int put(struct host_key_write *w, const char *file, bool replace)
{
	bool written = true;
	int rc;

	if (replace)
		rc = known_hosts_file_replace(file, w->label, &w->key, &w->err);
	else
		rc = known_hosts_file_append(file, w->label, &w->key, &written, &w->err);
	if (rc < 0 || !written)
		return rc;
	w->file = strdup(file);
	return w->file ? 0 : err_nomem(&w->err);
}

/* Another file of the list may be ours to write: /etc often is not. */
static bool is_out_of_bounds(const struct err *err)
{
	return err->sys == EROFS || err->sys == EACCES || err->sys == EPERM;
}

/* Into the first file that we may write; the complaint is about the first of all. */
static int add(struct host_key_write *w, const struct strv *files)
{
	struct err first = { 0 };

	for (size_t i = 0; i < files->count; i++) {
		if (put(w, files->items[i], false) == 0) {
			err_clear(&w->err);
			return 0;
		}
		if (i == 0)
			first = w->err;
		if (!is_out_of_bounds(&w->err))
			break;
	}
	w->err = first;
	return -1;
}

static int put_where_it_belongs(struct host_key_write *w, const struct known_hosts *known)
{
	const struct known_hosts_entry *entry;
	enum known_hosts_standing standing = known_hosts_judge(known, &w->key, &entry);

	if (standing == HOST_KNOWN)
		return 0;
	if (standing == HOST_REVOKED || (standing != HOST_UNKNOWN && !w->is_accepted))
		return refuse(w, entry, standing);
	if (known->files.count == 0)
		return err_set(&w->err, ERR_KNOWN_HOSTS_WRITE,
			       "there is no known_hosts file to write the host key of %s into",
			       w->label);
	if (standing == HOST_CHANGED)
		return put(w, entry->file, true);
	return add(w, &known->files);
}

static void work(void *data)
{
	struct host_key_write *w = data;
	struct known_hosts known;

	if (known_hosts_load(&known, w->host, w->port, w->alias, &w->files, &w->err) < 0)
		return;
	w->label = strdup(known.label);
	if (w->label)
		put_where_it_belongs(w, &known);
	else
		err_nomem(&w->err);
	known_hosts_fini(&known);
}

/* ---- the queue ---- */

static void on_worked(void *data)
{
	struct host_key_write *w = data;
	struct host_keys *hk = w->owner;

	hk->current = NULL;
	hk->job = NULL;
	w->writer.on_done(w->writer.data, w);
	write_free(w);
	begin_next(hk);
}

static void begin_next(struct host_keys *hk)
{
	struct host_key_write *w = list_first(&hk->queue, struct host_key_write, link);

	if (hk->current || !w)
		return;
	list_remove(&w->link);
	hk->waiting--;
	hk->current = w;
	hk->job = offload_submit(hk->disk, work, on_worked, write_free, w);
	if (hk->job)
		return;
	err_nomem(&w->err);
	on_worked(w);
}

static struct host_key_write *write_new(const struct connection_settings *c,
					const struct public_key *key)
{
	struct host_key_write *w = calloc(1, sizeof(*w));
	const char *alias = c->host_key_alias;
	struct err err;

	if (!w)
		return NULL;
	list_init(&w->link);
	w->port = c->port;
	w->host = strdup(c->host);
	w->alias = alias ? strdup(alias) : NULL;
	if (w->host && (w->alias || !alias) && strv_copy(&w->files, &c->known_hosts) == 0 &&
	    public_key_set(&w->key, key->type, key->base64, &err) == 0)
		return w;
	write_free(w);
	return NULL;
}

int host_keys_write(struct host_keys *hk, const struct connection_settings *c,
		    const struct public_key *key, bool is_accepted,
		    const struct host_key_writer *writer, struct err *err)
{
	struct host_key_write *w;

	if (hk->waiting >= WAITING_MAX)
		return err_set(err, ERR_LIMIT, "too many host keys wait to be written down");
	w = write_new(c, key);
	if (!w)
		return err_nomem(err);
	w->owner = hk;
	w->is_accepted = is_accepted;
	w->writer = *writer;
	list_append(&hk->queue, &w->link);
	hk->waiting++;
	begin_next(hk);
	return 0;
}

void host_keys_init(struct host_keys *hk, struct offload *disk, struct tunnels *tunnels)
{
	*hk = (struct host_keys){ .disk = disk, .tunnels = tunnels };
	list_init(&hk->queue);
}

void host_keys_fini(struct host_keys *hk)
{
	struct host_key_write *w;

	if (!hk->disk)
		return;
	while ((w = list_first(&hk->queue, struct host_key_write, link)))
		write_free(w);
	if (hk->job)
		offload_cancel(hk->job);
	*hk = (struct host_keys){ 0 };
}

/* ---- what workers say ---- */

/* A worker's question: whom to answer. */
struct question {
	struct host_keys *owner;
	uint64_t generation; /* of the worker; it may be another process by then */
	uint64_t call;
	char *tunnel;
};

static void answer(struct host_keys *hk, uint64_t generation, uint64_t call, const struct err *err)
{
	struct worker *w = workers_find_generation(hk->workers, generation);

	if (w)
		worker_send(w, wire_host_key_written(call, err), NULL, 0);
}

static void on_written(void *data, const struct host_key_write *w)
{
	struct question *q = data;
	char shown[PUBLIC_KEY_TEXT_MAX];

	public_key_describe(shown, &w->key);
	if (w->err.code != ERR_NONE)
		log_error("%s: %s", q->tunnel, w->err.msg);
	else if (w->file)
		log_info("%s: accepted the new host key of %s, and wrote it to %s: %s", q->tunnel,
			 w->label, w->file, shown);
	answer(q->owner, q->generation, q->call, &w->err);
}

static void question_free(void *data)
{
	struct question *q = data;

	free(q->tunnel);
	free(q);
}

static struct question *question_new(struct host_keys *hk, const struct worker *w, uint64_t call,
				     const char *tunnel)
{
	struct question *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	*q = (struct question){ .owner = hk, .generation = w->generation, .call = call };
	q->tunnel = strdup(tunnel);
	if (q->tunnel)
		return q;
	question_free(q);
	return NULL;
}

/* The tunnel and hop that a report is about; NULL with 0: it is late, and the settings are others now. */
static int find(struct host_keys *hk, const struct worker *w, const struct wire_host_key *shown,
		struct tunnel **ret, struct err *err)
{
	struct tunnel *t = tunnels_find_id(hk->tunnels, shown->tunnel);

	*ret = NULL;
	if (shown->tunnel == 0 || shown->tunnel > hk->tunnels->last_id || (t && t->worker != w))
		return err_set(err, ERR_PROTOCOL, "it speaks of a tunnel it does not have");
	if (t && config_named_hop(t->spec, shown->route, shown->hop, shown->server))
		*ret = t;
	return 0;
}

/* Keeps a copy of what a hop has shown. */
static void note(struct tunnel *t, unsigned route, unsigned hop, const struct public_key *key)
{
	struct public_key copy;

	if (public_key_set(&copy, key->type, key->base64, NULL) < 0 ||
	    shown_keys_put(&t->shown_keys, route, hop, &copy) < 0)
		log_error("%s: out of memory for a host key", t->name);
}

static bool is_same_way(const struct config_route *a, const struct config_route *b, unsigned hop)
{
	if (hop + 1 >= a->hop_count || hop + 1 >= b->hop_count)
		return false; /* a server at the end is nobody else's */
	for (unsigned i = 0; i <= hop; i++) {
		if (!connection_settings_equal(&a->hops[i].connection, &b->hops[i].connection))
			return false;
	}
	return true;
}

/* The session with a jump is that of several tunnels: what it shows is shown to all of them. */
static void note_for_others(struct host_keys *hk, const struct tunnel *t,
			    const struct wire_host_key *shown, const struct public_key *key)
{
	const struct config_route *way = &t->spec->routes[shown->route];

	if (shown->hop + 1 >= way->hop_count || !way->hops[shown->hop].connection.share)
		return;
	for (size_t i = 0; i < hk->tunnels->count; i++) {
		struct tunnel *other = hk->tunnels->by_id[i];

		for (unsigned r = 0;
		     other != t && other->worker == t->worker && r < other->spec->route_count;
		     r++) {
			if (is_same_way(way, &other->spec->routes[r], shown->hop))
				note(other, r, shown->hop, key);
		}
	}
}

static int handle_shown(struct host_keys *hk, struct worker *w, json_t *message, struct err *err)
{
	struct wire_host_key shown;
	struct public_key key;
	struct tunnel *t;

	if (wire_read_host_key(message, &shown, err) < 0 || find(hk, w, &shown, &t, err) < 0)
		return -1;
	if (public_key_set(&key, NULL, shown.key, err) < 0)
		return -1;
	if (t) {
		note(t, shown.route, shown.hop, &key);
		note_for_others(hk, t, &shown, &key);
	}
	public_key_fini(&key);
	return 0;
}

/* What a worker asks for counts only where the configuration has it. */
static int begin_write(struct host_keys *hk, const struct worker *w, uint64_t call,
		       const struct tunnel *t, const struct wire_host_key *shown,
		       const struct public_key *key, struct err *err)
{
	const struct connection_settings *c =
		config_hop_settings(t->spec, shown->route, shown->hop);
	struct host_key_writer writer = { .on_done = on_written, .free = question_free };

	if (host_key_mode(&c->host_key) != HOST_KEY_ACCEPT_NEW)
		return err_set(
			err, ERR_HOST_KEY_UNKNOWN,
			"host key of %s is not known, and 'host_key' does not say accept-new",
			c->host);
	writer.data = question_new(hk, w, call, t->name);
	if (!writer.data)
		return err_nomem(err);
	if (host_keys_write(hk, c, key, false, &writer, err) == 0)
		return 0;
	question_free(writer.data);
	return -1;
}

static int handle_new(struct host_keys *hk, struct worker *w, json_t *message, struct err *err)
{
	struct wire_host_key shown;
	struct public_key key;
	struct tunnel *t;
	struct err why;
	uint64_t call;

	if (wire_read_host_key_new(message, &call, &shown, err) < 0 ||
	    find(hk, w, &shown, &t, err) < 0 || public_key_set(&key, NULL, shown.key, err) < 0)
		return -1;
	if (!t) {
		err_set(&why, ERR_NO_SUCH_TUNNEL, "the settings of the tunnel have just changed");
		answer(hk, w->generation, call, &why);
	} else if (begin_write(hk, w, call, t, &shown, &key, &why) < 0) {
		answer(hk, w->generation, call, &why);
	}
	public_key_fini(&key);
	return 0;
}

static const struct {
	const char *type;
	int (*handle)(struct host_keys *hk, struct worker *w, json_t *message, struct err *err);
} handlers[] = {
	{ "host-key", handle_shown },
	{ "host-key-new", handle_new },
};

bool host_keys_know(const char *type)
{
	for (size_t i = 0; i < ARRAY_SIZE(handlers); i++) {
		if (strcmp(handlers[i].type, type) == 0)
			return true;
	}
	return false;
}

int host_keys_handle(struct host_keys *hk, struct worker *w, const char *type, json_t *message,
		     struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(handlers); i++) {
		if (strcmp(handlers[i].type, type) == 0)
			return handlers[i].handle(hk, w, message, err);
	}
	return err_set(err, ERR_PROTOCOL, "a message of an unknown type");
}
