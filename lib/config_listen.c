/* SPDX-License-Identifier: MIT */
/*
 * Two forwards cannot listen on the same address and port. Sorting brings those that try next to
 * each other; the one that was written first is right.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/config_read.h"
#include "lib/util.h"

/* Where the index-th forward of a tunnel stands: `local` is one or a list. */
static const struct node *forward_node(const struct node *map, size_t index)
{
	const struct node *local = node_find(map, "local");

	return local && local->kind == NODE_LIST && index < local->count ? local->items[index]
									 : local;
}

/* The next item, empty; NULL: no memory. */
static struct config_listen *grow(struct config_listens *listens)
{
	if (listens->count == listens->capacity) {
		size_t capacity = listens->capacity ? 2 * listens->capacity : 64;
		struct config_listen *items = realloc(listens->items, capacity * sizeof(*items));

		if (!items)
			return NULL;
		listens->items = items;
		listens->capacity = capacity;
	}
	return &listens->items[listens->count++];
}

int config_listens_add(struct config_listens *listens, const struct config_tunnel *tunnel,
		       const struct node *map, size_t order)
{
	for (size_t i = 0; i < tunnel->forward_count; i++) {
		struct config_listen *listen = grow(listens);

		if (!listen)
			return -1;
		*listen = (struct config_listen){
			.forward = &tunnel->forwards[i],
			.tunnel = tunnel->name,
			.at = forward_node(map, i),
			.order = order,
		};
	}
	return 0;
}

static int compare_place(const struct config_forward *a, const struct config_forward *b)
{
	int order = (int)a->listen.port - (int)b->listen.port;

	return order ? order : strcmp(a->listen.host, b->listen.host);
}

/* By place; within one place in the order of the text. */
static int by_place(const void *a, const void *b)
{
	const struct config_listen *x = a, *y = b;
	int order = compare_place(x->forward, y->forward);

	if (order)
		return order;
	if (x->order != y->order)
		return x->order < y->order ? -1 : 1;
	return x->forward < y->forward ? -1 : x->forward > y->forward;
}

void config_listens_check(struct config_listens *listens, struct config_decoder *d)
{
	char where[256], text[ENDPOINT_TEXT_MAX];
	size_t first = 0;

	if (listens->count > 0)
		qsort(listens->items, listens->count, sizeof(*listens->items), by_place);
	for (size_t i = 1; i < listens->count; i++) {
		const struct config_listen *a = &listens->items[first], *b = &listens->items[i];

		if (compare_place(a->forward, b->forward) != 0) {
			first = i;
			continue;
		}
		config_complain(
			d, b->at, "tunnels.%s.local: %s is taken by tunnel '%s' in %s", b->tunnel,
			endpoint_format(text, b->forward->listen.host, b->forward->listen.port),
			a->tunnel, config_place_text(a->at, b->at, where, sizeof(where)));
	}
}

static void check_against(const struct config_tunnel *other, const struct config_forward *forward,
			  struct config_decoder *d)
{
	char text[ENDPOINT_TEXT_MAX];

	for (size_t i = 0; i < other->forward_count; i++) {
		if (&other->forwards[i] >= forward && other->forwards <= forward)
			return; /* itself: only what stands before it is in its way */
		if (compare_place(&other->forwards[i], forward) == 0)
			config_complain(
				d, NULL, "local: %s is taken by tunnel '%s'",
				endpoint_format(text, forward->listen.host, forward->listen.port),
				other->name);
	}
}

void config_listens_check_one(const struct config *config, const struct config_tunnel *tunnel,
			      struct config_decoder *d)
{
	for (size_t i = 0; i < tunnel->forward_count; i++) {
		for (size_t j = 0; j < config->tunnel_count; j++)
			check_against(config->tunnels[j], &tunnel->forwards[i], d);
		check_against(tunnel, &tunnel->forwards[i], d);
	}
}
