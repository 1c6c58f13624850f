/* SPDX-License-Identifier: MIT */
#include "daemon/worker/older.h"

#include <string.h>

#include "lib/algorithms.h"
#include "lib/str.h"

#define SERVERS_MAX 1024 /* then all are forgotten; each costs one attempt more */

static char *name_of(const struct connection_settings *c)
{
	return str_printf("%s %u", c->host, c->port);
}

void older_fini(struct older *o)
{
	strv_fini(&o->servers);
}

bool older_has(const struct older *o, const struct connection_settings *c)
{
	CLEANUP(freep) char *name = o->servers.count ? name_of(c) : NULL;

	return name && strv_contains(&o->servers, name);
}

/* Lists that stand for themselves do not become longer. */
static bool is_fixed(const char *list)
{
	return list && !strchr("+-^", *list);
}

void older_note(struct older *o, const struct connection_settings *c, struct err *err)
{
	CLEANUP(freep) char *name = NULL;

	if (err->code != ERR_NO_COMMON_ALGORITHM || older_has(o, c) ||
	    (is_fixed(c->kex) && is_fixed(c->host_key_algorithms)))
		return;
	if (o->servers.count >= SERVERS_MAX)
		strv_fini(&o->servers);
	name = name_of(c);
	if (!name || strv_add(&o->servers, name) < 0)
		return;
	err->code = ERR_PROTOCOL; /* which waiting helps against */
	err_prefix(err, "the server is offered more algorithms next time");
}
