/* SPDX-License-Identifier: MIT */
/*
 * The smallest set of things to do to get from the running configuration to a new one. Pure: it
 * compares, it does not act. A tunnel nothing happened to does not appear.
 */
#pragma once

#include "lib/config.h"

enum config_change {
	CONFIG_ADDED,
	CONFIG_REMOVED,
	CONFIG_CHANGED,
};

struct tunnel_change {
	enum config_change kind;
	const struct config_tunnel *from; /* NULL when added; borrowed from the old config */
	const struct config_tunnel *to; /* NULL when removed; borrowed from the new config */
	bool reconnect; /* connection settings differ: a new SSH session is needed, unless it goes to
			 * one of several servers that is still the same */
	bool upkeep; /* keepalive, reconnect, hold, timeouts, prefer, failback differ: applied in
		      * place */
	bool forwards; /* at least one forward was added, removed or changed */
	bool cosmetic; /* tags, start mode, source, host label */
};

struct config_diff {
	struct tunnel_change *items; /* removals first, then changes, then additions */
	size_t count;
	size_t unchanged;
};

int config_diff(const struct config *from, const struct config *to, struct config_diff *ret,
		struct err *err);
void config_diff_fini(struct config_diff *diff);

bool config_forward_equal(const struct config_forward *a, const struct config_forward *b);
/* Whether the same session serves both. */
bool config_route_equal(const struct config_route *a, const struct config_route *b);
bool upkeep_settings_equal(const struct upkeep_settings *a, const struct upkeep_settings *b);
