/* SPDX-License-Identifier: MIT */
#include "daemon/worker/way.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/worker/dial.h"
#include "daemon/worker/passage.h"
#include "lib/endpoint.h"
#include "lib/util.h"

struct way {
	const struct worker_parts *parts;
	const struct connection_settings *settings; /* borrowed */
	const struct way_ops *ops;
	void *data;
	struct resolve_request lookup;
	struct dial *dial; /* NULL: the name is not resolved yet */
	struct passage *passage; /* NULL: it does not lead through a jump */
	struct loop_grave grave;
};

static void on_dialled(void *data, int fd, const struct address *address)
{
	struct way *w = data;
	char text[80];

	address_format(address, text, sizeof(text));
	w->ops->on_connected(w->data, fd, text);
}

static void on_dial_failed(void *data, const struct err *err)
{
	struct way *w = data;

	w->ops->on_failed(w->data, err);
}

static const struct dial_ops dial_ops = {
	.on_connected = on_dialled,
	.on_failed = on_dial_failed,
};

static void on_resolved(void *data, const struct address *addresses, size_t count,
			const struct err *err)
{
	struct way *w = data;
	struct address copy[RESOLVE_ADDRESSES_MAX];
	struct err local;

	if (err) {
		w->ops->on_failed(w->data, err);
		return;
	}
	count = MIN(count, ARRAY_SIZE(copy));
	for (size_t i = 0; i < count; i++) {
		copy[i] = addresses[i];
		address_set_port(&copy[i], w->settings->port);
	}
	w->dial = dial_new(w->parts->loop, w->settings->host, copy, count, &dial_ops, w, &local);
	if (!w->dial)
		w->ops->on_failed(w->data, &local);
}

/* ---- through a jump ---- */

static void on_passage(void *data, int fd)
{
	struct way *w = data;
	char text[ENDPOINT_TEXT_MAX];

	w->ops->on_connected(w->data, fd,
			     endpoint_format(text, w->settings->host, (uint16_t)w->settings->port));
}

static void on_no_passage(void *data, const struct err *err)
{
	struct way *w = data;

	w->ops->on_failed(w->data, err);
}

static const struct passage_ops passage_ops = {
	.on_open = on_passage,
	.on_failed = on_no_passage,
};

/* ---- life ---- */

static int begin(struct way *w, const struct jump_user *through, struct err *err)
{
	const struct connection_settings *c = w->settings;

	if (!through)
		return resolve_start(w->parts->resolver, &w->lookup, c->host, on_resolved, w, err);
	w->passage = passage_new(w->parts, through, c->host, c->port, &passage_ops, w, err);
	return w->passage ? 0 : -1;
}

struct way *way_new(const struct worker_parts *parts, const struct connection_settings *settings,
		    const struct jump_user *through, const struct way_ops *ops, void *data,
		    struct err *err)
{
	struct way *w = calloc(1, sizeof(*w));

	if (!w) {
		err_nomem(err);
		return NULL;
	}
	*w = (struct way){ .parts = parts, .settings = settings, .ops = ops, .data = data };
	if (begin(w, through, err) < 0) {
		free(w);
		return NULL;
	}
	return w;
}

void way_free(struct way *w)
{
	if (!w)
		return;
	resolve_cancel(&w->lookup);
	dial_free(TAKE(w->dial));
	passage_release(TAKE(w->passage));
	loop_bury(w->parts->loop, &w->grave, free, w);
}

void way_describe(const struct way *w, char *out, size_t size)
{
	char where[80], text[ENDPOINT_TEXT_MAX];

	if (w->passage) {
		snprintf(out, size, "the jump before it, to connect to %s",
			 endpoint_format(text, w->settings->host, (uint16_t)w->settings->port));
		return;
	}
	if (!w->dial) {
		snprintf(out, size, "the name server to resolve '%s'", w->settings->host);
		return;
	}
	dial_describe(w->dial, where, sizeof(where));
	snprintf(out, size, "a TCP connection to %s (does a firewall drop it?)", where);
}
