/* SPDX-License-Identifier: MIT */
#include "daemon/worker/forwards.h"

#include <stdlib.h>

/* f may leave the list in the body. */
#define each_forward(f, fs)                                                                        \
	for (struct list *_link = (fs)->all.next, *_next = _link->next;                            \
	     _link != &(fs)->all && ((f) = forward_from_link(_link), 1);                           \
	     _link = _next, _next = _link->next)

void forwards_init(struct forwards *fs)
{
	list_init(&fs->all);
}

void forwards_free(struct forwards *fs)
{
	struct forward *f;

	each_forward (f, fs)
		forward_free(f);
}

void forwards_add(struct forwards *fs, struct forward *f)
{
	list_append(&fs->all, forward_link(f));
}

struct forward *forwards_find(const struct forwards *fs, uint64_t id)
{
	struct forward *f;

	each_forward (f, fs) {
		if (forward_id(f) == id)
			return f;
	}
	return NULL;
}

void forwards_serve(struct forwards *fs, struct session *s)
{
	struct forward *f;

	each_forward (f, fs)
		forward_serve(f, s);
}

void forwards_hold(struct forwards *fs)
{
	struct forward *f;

	each_forward (f, fs)
		forward_hold(f);
}

void forwards_refuse(struct forwards *fs)
{
	struct forward *f;

	each_forward (f, fs)
		forward_refuse(f);
}

void forwards_set_hold(struct forwards *fs, unsigned hold_ms)
{
	struct forward *f;

	each_forward (f, fs)
		forward_set_hold(f, hold_ms);
}

void forwards_end_connections(struct forwards *fs, bool reset)
{
	struct forward *f;

	each_forward (f, fs)
		forward_end_connections(f, reset);
}

bool forwards_have_waiting(const struct forwards *fs)
{
	struct forward *f;

	each_forward (f, fs) {
		if (forward_is_waiting(f))
			return true;
	}
	return false;
}

const struct err *forwards_failure(const struct forwards *fs)
{
	struct forward *f;

	each_forward (f, fs) {
		if (forward_state(f) == FORWARD_FAILED)
			return forward_error(f);
	}
	return NULL;
}

int forwards_count(const struct forwards *fs, struct wire_stats *stats)
{
	struct forward *f;
	size_t n = 0;

	each_forward (f, fs)
		n++;
	stats->forwards = calloc(n + 1, sizeof(*stats->forwards));
	if (!stats->forwards)
		return -1;
	each_forward (f, fs) {
		const struct wire_counters *c = forward_counters(f);

		stats->forwards[stats->forward_count++] =
			(struct wire_forward_stats){ forward_id(f), *c };
		stats->counters.bytes_in += c->bytes_in;
		stats->counters.bytes_out += c->bytes_out;
		stats->counters.connections += c->connections;
		stats->counters.connections_total += c->connections_total;
	}
	return 0;
}
