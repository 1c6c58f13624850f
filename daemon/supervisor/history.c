/* SPDX-License-Identifier: MIT */
#include "daemon/supervisor/history.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 8

/* Only called while the ring has not begun to turn (oldest == 0). */
static int grow(struct history *h)
{
	unsigned short capacity = h->capacity ? (unsigned short)(h->capacity * 2) : FIRST_CAPACITY;
	struct history_event *events = realloc(h->events, capacity * sizeof(*events));

	if (!events)
		return -1;
	h->events = events;
	h->capacity = capacity;
	return 0;
}

/* The place for one more event, NULL when there is none. */
static struct history_event *next_place(struct history *h)
{
	struct history_event *place;

	if (h->count == h->capacity && h->capacity < HISTORY_MAX && grow(h) < 0 && !h->capacity)
		return NULL;
	if (h->count < h->capacity)
		return &h->events[h->count++];
	place = &h->events[h->oldest];
	h->oldest = (unsigned short)((h->oldest + 1) % h->capacity);
	free(place->message);
	return place;
}

void history_add(struct history *h, uint64_t at_ms, enum tunnel_state state, const struct err *err)
{
	struct history_event *place = next_place(h);

	if (!place)
		return;
	*place = (struct history_event){ .at_ms = at_ms, .state = state };
	if (!err || err->code == ERR_NONE)
		return;
	place->code = err->code;
	place->message = strdup(err->msg);
}

const struct history_event *history_at(const struct history *h, size_t i)
{
	return &h->events[(h->oldest + i) % h->capacity];
}

void history_fini(struct history *h)
{
	for (size_t i = 0; i < h->count; i++)
		free(h->events[i].message);
	free(h->events);
	*h = (struct history){ 0 };
}
