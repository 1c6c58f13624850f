/* SPDX-License-Identifier: MIT */
#include "daemon/supervisor/wanted_secrets.h"

static bool any_of_server(const struct connection_settings *c, wanted_secret_fn does, void *data)
{
	char server[CONNECTION_NAME_MAX];

	if (does(data, QUESTION_PASSWORD, connection_name(server, c)))
		return true;
	for (size_t i = 0; i < c->identities.count; i++) {
		if (does(data, QUESTION_PASSPHRASE, c->identities.items[i]))
			return true;
	}
	return false;
}

bool wanted_secrets_any(const struct config_tunnel *spec, wanted_secret_fn does, void *data)
{
	for (size_t i = 0; i < spec->route_count; i++) {
		for (size_t j = 0; j < spec->routes[i].hop_count; j++) {
			if (any_of_server(&spec->routes[i].hops[j].connection, does, data))
				return true;
		}
	}
	return false;
}
