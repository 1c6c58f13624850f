/* SPDX-License-Identifier: MIT */
#include "tests/unit/tunnel_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct loop *the_loop;

static void add_hop(struct config_route *route, const char *host)
{
	route->hops[route->hop_count++].connection = (struct connection_settings){
		.host = strdup(host), .original = strdup(host), .port = 22, .user = strdup("me")
	};
}

/* "jump>server" */
static void add_route(struct config_tunnel *spec, char *way)
{
	struct config_route *route = &spec->routes[spec->route_count++];
	char *last = strrchr(way, '>'), *host;

	route->host = strdup(last ? last + 1 : way);
	route->hops = calloc(CONFIG_HOPS_MAX, sizeof(*route->hops));
	while ((host = strsep(&way, ">")))
		add_hop(route, host);
}

struct config_tunnel *tunnel_spec(const char *routes)
{
	struct config_tunnel *spec = calloc(1, sizeof(*spec));
	char *text = strdup(routes), *rest = text, *way;

	spec->name = strdup("db");
	spec->routes = calloc(CONFIG_ROUTES_MAX, sizeof(*spec->routes));
	while ((way = strsep(&rest, " ")))
		add_route(spec, way);
	free(text);
	spec->failback_ms = 300000;
	spec->upkeep = (struct upkeep_settings){ .keepalive_interval_ms = 15000,
						 .keepalive_count = 3,
						 .reconnect_min_ms = 500,
						 .reconnect_max_ms = 60000,
						 .reconnect_stable_ms = 10000,
						 .connect_timeout_ms = 20000,
						 .hold_ms = 10000 };
	return spec;
}

int tunnel_setup(void **state, const char *routes)
{
	struct stage *stage = calloc(1, sizeof(*stage));
	struct config_forward forward = { .name = strdup("web"), .type = FORWARD_REMOTE };
	struct wire_forward about = { .tunnel = 7, .forward = 1 };
	struct err err;

	fake_tunnel_reset();
	the_loop = fake_loop_new();
	stage->parts.loop = the_loop;
	stage->parts.gate = gate_new(the_loop, 8);
	stage->parts.agents = agents_new(the_loop);
	stage->tunnel = tunnel_new(&stage->parts, 7, tunnel_spec(routes), &err);
	assert_non_null(stage->tunnel);
	assert_int_equal(tunnel_set_forward(stage->tunnel, &about, &forward, NULL, 0, &err), 0);
	*state = stage;
	return 0;
}

int tunnel_teardown(void **state)
{
	struct stage *stage = *state;

	if (stage->tunnel)
		tunnel_free(stage->tunnel);
	if (heard.parted)
		heard.parted(heard.parting);
	fake_loop_advance(the_loop, 0);
	gate_free(stage->parts.gate);
	agents_free(stage->parts.agents);
	fake_loop_free(the_loop);
	free(stage);
	return 0;
}
