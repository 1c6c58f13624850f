/* SPDX-License-Identifier: MIT */
/*
 * All tunnels of a reading. Those that are about hosts which only ssh knows are begun, wait until ssh has
 * been asked about all of these together, and are then begun anew: again and again, because an answer may
 * name a jump which only ssh knows. What a tunnel that waits has complained about does not count.
 */
#include <stdlib.h>

#include "lib/config_ssh.h"
#include "lib/util.h"

struct building {
	struct config *config;
	struct config_reading *r;
	struct config_tunnel **tunnels; /* by entry; NULL: not yet, or there are mistakes */
	size_t *waiting; /* entries */
	size_t waiting_count;
};

/* False: it waits for ssh. */
static bool build_one(struct building *b, size_t index)
{
	struct config_decoder *d = &b->r->decoder;
	struct config_base *base = b->config->base;
	const struct config_entry *entry = &b->r->tunnels.items[index];
	size_t problems = d->problems->to->count, dropped = d->problems->dropped;
	size_t bytes = base->bytes;
	struct config_tunnel *tunnel;

	base->ssh->is_waiting = false;
	config_trail_push(d, entry->name->text);
	tunnel = config_build_tunnel(base, d, entry->name, entry->value);
	config_trail_pop(d);
	if (!base->ssh->is_waiting) {
		b->tunnels[index] = tunnel;
		return true;
	}
	config_tunnel_free(tunnel);
	problem_forget(d->problems, problems, dropped);
	base->bytes = bytes;
	return false;
}

/* Goes over those that wait; who still does stays in the list. */
static void build_waiting(struct building *b)
{
	size_t count = b->waiting_count;

	b->waiting_count = 0;
	for (size_t i = 0; i < count; i++) {
		size_t index = b->waiting[i];

		if (!build_one(b, index))
			b->waiting[b->waiting_count++] = index;
	}
}

static void build_all(struct building *b)
{
	struct config_decoder *d = &b->r->decoder;
	struct config_ssh *ssh = b->config->base->ssh;

	for (size_t i = 0; i < b->r->tunnels.count; i++)
		b->waiting[i] = i;
	b->waiting_count = b->r->tunnels.count;
	ssh->gathers = true;
	while (b->waiting_count > 0) {
		build_waiting(b);
		if (b->waiting_count > 0 && config_ssh_ask(ssh, d) < 0) {
			config_complain(d, NULL, "out of memory");
			break;
		}
	}
	ssh->gathers = false;
}

/* In the order of their names. */
static void take_over(struct building *b)
{
	struct config_decoder *d = &b->r->decoder;
	struct config_listens listens = { 0 };

	for (size_t i = 0; i < b->r->tunnels.count; i++) {
		const struct config_entry *entry = &b->r->tunnels.items[i];
		struct config_tunnel *tunnel = b->tunnels[i];

		if (tunnel && config_insert(b->config, tunnel) < 0) {
			config_tunnel_free(TAKE(tunnel));
			config_complain(d, entry->name, "out of memory");
		}
		if (tunnel && config_listens_add(&listens, tunnel, entry->value, entry->order) < 0)
			config_complain(d, entry->name, "out of memory");
	}
	config_trail_pop(d);
	config_listens_check(&listens, d);
	free(listens.items);
}

void config_build_tunnels(struct config *config, struct config_reading *r)
{
	struct building b = { .config = config, .r = r };
	struct config_decoder *d = &r->decoder;
	size_t count;

	config_trail_push(d, "tunnels");
	config_sort_entries(&r->tunnels, d);
	count = MAX(r->tunnels.count, (size_t)1);
	b.tunnels = calloc(count, sizeof(*b.tunnels));
	b.waiting = calloc(count, sizeof(*b.waiting));
	if (b.tunnels && b.waiting) {
		build_all(&b);
		take_over(&b);
	} else {
		config_trail_pop(d);
		config_complain(d, NULL, "out of memory");
	}
	free(b.tunnels);
	free(b.waiting);
}
