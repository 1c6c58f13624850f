/* SPDX-License-Identifier: MIT */
#include "daemon/worker/connection_home.h"

#include "daemon/common/log.h"
#include "daemon/worker/connection_parts.h"

#define COMPLAIN_MS 1000

void connection_home_init(struct connection_home *home, const struct worker_parts *parts,
			  const struct config_forward *spec, uint64_t forward,
			  const struct connection_ops *ops, void *data)
{
	*home = (struct connection_home){
		.parts = parts, .spec = spec, .forward = forward, .ops = ops, .data = data
	};
	list_init(&home->list);
}

void connection_home_end_all(struct connection_home *home, bool reset)
{
	struct connection *c;

	while ((c = list_first(&home->list, struct connection, link)))
		connection_end(c, reset);
}

struct connection *connection_home_find(const struct connection_home *home, uint64_t id)
{
	struct connection *c;

	list_for_each (c, &home->list, link) {
		if (c->id == id)
			return c;
	}
	return NULL;
}

void connection_home_complain(struct connection_home *home, const char *from, const struct err *err)
{
	uint64_t now = loop_now_ms(home->parts->loop);

	if (home->complained_ms && now - home->complained_ms < COMPLAIN_MS) {
		log_debug("forward '%s': client %s: %s", home->spec->name, from, err->msg);
		return;
	}
	home->complained_ms = now;
	log_info("forward '%s': client %s: %s", home->spec->name, from, err->msg);
}
