/* SPDX-License-Identifier: MIT */
#include "daemon/worker/doubts.h"

#include <stdlib.h>
#include <string.h>

/* DOUBTS_SERVERS_MAX: none. */
static unsigned find(const struct doubts *d, const char *server)
{
	unsigned i = 0;

	while (i < DOUBTS_SERVERS_MAX &&
	       (!d->items[i].server || strcmp(d->items[i].server, server) != 0))
		i++;
	return i;
}

unsigned doubts_get(const struct doubts *d, const char *server)
{
	unsigned i = find(d, server);

	return i < DOUBTS_SERVERS_MAX ? d->items[i].count : 0;
}

void doubts_set(struct doubts *d, const char *server, unsigned count)
{
	unsigned i = find(d, server);

	if (i == DOUBTS_SERVERS_MAX) {
		if (count == 0)
			return;
		i = d->next;
		d->next = (d->next + 1) % DOUBTS_SERVERS_MAX;
		free(d->items[i].server);
		d->items[i].server = strdup(server); /* NULL: not remembered */
	}
	d->items[i].count = count;
}

void doubts_fini(struct doubts *d)
{
	for (unsigned i = 0; i < DOUBTS_SERVERS_MAX; i++)
		free(d->items[i].server);
	*d = (struct doubts){ 0 };
}
