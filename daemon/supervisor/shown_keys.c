/* SPDX-License-Identifier: MIT */
#include "daemon/supervisor/shown_keys.h"

#include <stdlib.h>
#include <string.h>

#include "lib/util.h"

static bool is_before(const struct shown_key *k, unsigned route, unsigned hop)
{
	return k->route < route || (k->route == route && k->hop < hop);
}

/* The place for a key of that hop, made if there is none. */
static struct shown_key *place(struct shown_keys *keys, unsigned route, unsigned hop)
{
	struct shown_key *items;
	size_t i = 0;

	while (i < keys->count && is_before(&keys->items[i], route, hop))
		i++;
	if (i < keys->count && keys->items[i].route == route && keys->items[i].hop == hop)
		return &keys->items[i];
	items = realloc(keys->items, (keys->count + 1) * sizeof(*items));
	if (!items)
		return NULL;
	keys->items = items;
	memmove(&items[i + 1], &items[i], (keys->count - i) * sizeof(*items));
	keys->count++;
	items[i] = (struct shown_key){ .route = route, .hop = hop };
	return &items[i];
}

int shown_keys_put(struct shown_keys *keys, unsigned route, unsigned hop, struct public_key *key)
{
	struct shown_key *k = place(keys, route, hop);

	if (!k) {
		public_key_fini(key);
		return -1;
	}
	public_key_fini(&k->key);
	k->key = *key;
	k->at_ms = realtime_ms();
	*key = (struct public_key){ 0 };
	return 0;
}

void shown_keys_fini(struct shown_keys *keys)
{
	for (size_t i = 0; i < keys->count; i++)
		public_key_fini(&keys->items[i].key);
	free(keys->items);
	*keys = (struct shown_keys){ 0 };
}
