/* SPDX-License-Identifier: MIT */
#include "daemon/worker/way.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/worker/dial.h"
#include "lib/util.h"

struct way {
	const struct worker_parts *parts;
	const struct connection_settings *settings; /* borrowed */
	const struct way_ops *ops;
	void *data;
	struct resolve_request lookup;
	struct dial *dial; /* NULL: the name is not resolved yet */
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

struct way *way_new(const struct worker_parts *parts, const struct connection_settings *settings,
		    const struct way_ops *ops, void *data, struct err *err)
{
	struct way *w = calloc(1, sizeof(*w));

	if (!w) {
		err_nomem(err);
		return NULL;
	}
	*w = (struct way){ .parts = parts, .settings = settings, .ops = ops, .data = data };
	if (resolve_start(parts->resolver, &w->lookup, settings->host, on_resolved, w, err) < 0) {
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
	loop_bury(w->parts->loop, &w->grave, free, w);
}

void way_describe(const struct way *w, char *out, size_t size)
{
	char where[80];

	if (!w->dial) {
		snprintf(out, size, "the name server to resolve '%s'", w->settings->host);
		return;
	}
	dial_describe(w->dial, where, sizeof(where));
	snprintf(out, size, "a TCP connection to %s (does a firewall drop it?)", where);
}
