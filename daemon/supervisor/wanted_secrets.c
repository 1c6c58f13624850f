/* SPDX-License-Identifier: MIT */
#include "daemon/supervisor/wanted_secrets.h"

#include <stdio.h>

#include "lib/endpoint.h"

void wanted_secrets_server(const struct connection_settings *c, char out[QUESTION_SUBJECT_MAX])
{
	char place[ENDPOINT_TEXT_MAX];

	snprintf(out, QUESTION_SUBJECT_MAX, "%s@%s", c->user,
		 endpoint_format(place, c->host, (uint16_t)c->port));
}

static bool any_of_server(const struct connection_settings *c, wanted_secret_fn does, void *data)
{
	char server[QUESTION_SUBJECT_MAX];

	wanted_secrets_server(c, server);
	if (does(data, QUESTION_PASSWORD, server))
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
