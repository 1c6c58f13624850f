/* SPDX-License-Identifier: MIT */
/*
 * What is remembered of each of several servers, and what it is worth when lists and states change.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/supervisor/servers.h"
#include "lib/util.h"

static struct config_route routes[] = {
	{ .host = (char *)"a", .hop_count = 1 },
	{ .host = (char *)"b", .hop_count = 1 },
	{ .host = (char *)"c", .hop_count = 1 },
};

static struct tunnels ts;
static struct tunnel *t;
static unsigned events;

static void on_event(void *data, struct tunnel *tunnel, enum tunnel_event event)
{
	events++;
}

static struct tunnels_observer observer = { .on_event = on_event };

static struct config_tunnel spec_of(size_t count)
{
	return (struct config_tunnel){ .name = (char *)"t",
				       .routes = routes,
				       .route_count = count };
}

static struct config_tunnel spec;

static void begin(size_t count)
{
	spec = spec_of(count);
	tunnels_init(&ts);
	t = tunnels_add(&ts, &spec);
	assert_non_null(t);
	tunnels_observe(&ts, &observer);
	events = 0;
}

static struct server *say(unsigned route, enum route_state state, enum err_code code,
			  const char *message)
{
	struct wire_route_state report = { .route = route, .state = state };

	if (code)
		err_set(&report.error, code, "%s", message);
	return servers_enter(t, &report);
}

static void expect(size_t route, enum route_state state, const char *message)
{
	struct server s;

	servers_get(t, route, &s);
	assert_int_equal(s.state, state);
	if (message)
		assert_string_equal(s.error->msg, message);
	else
		assert_null(s.error);
}

static void enter(enum tunnel_state state, enum err_code code, const char *message)
{
	struct wire_tunnel_state report = { .state = state };

	if (code)
		err_set(&report.error, code, "%s", message);
	tunnel_enter(t, &report);
}

static void test_one_alone_is_in_the_state_of_its_tunnel(void **state)
{
	begin(1);
	expect(0, ROUTE_IDLE, NULL);
	enter(TUNNEL_VERIFYING, ERR_NONE, NULL);
	expect(0, ROUTE_CONNECTING, NULL);
	enter(TUNNEL_DEGRADED, ERR_PORT_IN_USE, "in use");
	expect(0, ROUTE_UP, NULL); /* that is the tunnel's trouble, not the server's */
	enter(TUNNEL_BACKOFF, ERR_REFUSED, "refused");
	expect(0, ROUTE_DOWN, "refused");
	enter(TUNNEL_FAILED, ERR_AUTH, "no");
	expect(0, ROUTE_FAILED, "no");
	assert_null(t->servers);
	assert_false(servers_need_person(t)); /* "up" is told to such a tunnel anyway */
	tunnels_fini(&ts);
}

static void test_each_has_its_own(void **state)
{
	struct server s;

	begin(3);
	expect(1, ROUTE_IDLE, NULL);
	servers_get(t, 1, &s);
	assert_int_equal(s.since_ms, 0);
	assert_non_null(say(0, ROUTE_DOWN, ERR_REFUSED, "refused"));
	assert_non_null(say(1, ROUTE_UP, ERR_NONE, NULL));
	expect(0, ROUTE_DOWN, "refused");
	expect(1, ROUTE_UP, NULL);
	expect(2, ROUTE_IDLE, NULL);
	assert_int_equal(events, 2);
	servers_get(t, 1, &s);
	assert_int_not_equal(s.since_ms, 0);
	tunnels_fini(&ts);
}

static void test_only_what_is_new_is_news(void **state)
{
	begin(2);
	assert_non_null(say(0, ROUTE_DOWN, ERR_REFUSED, "refused"));
	assert_null(say(0, ROUTE_DOWN, ERR_REFUSED, "refused"));
	assert_int_equal(events, 1);
	assert_non_null(say(0, ROUTE_DOWN, ERR_REFUSED, "unreachable"));
	expect(0, ROUTE_DOWN, "unreachable");
	assert_non_null(say(0, ROUTE_IDLE, ERR_NONE, NULL));
	expect(0, ROUTE_IDLE, NULL);
	tunnels_fini(&ts);
}

static void test_who_needs_a_person(void **state)
{
	begin(2);
	say(0, ROUTE_UP, ERR_NONE, NULL);
	assert_false(servers_need_person(t));
	say(1, ROUTE_FAILED, ERR_HOST_KEY_CHANGED, "changed");
	assert_true(servers_need_person(t));
	say(1, ROUTE_IDLE, ERR_NONE, NULL);
	assert_false(servers_need_person(t));
	tunnels_fini(&ts);
}

static void test_a_stopped_tunnel_forgets(void **state)
{
	begin(2);
	say(0, ROUTE_DOWN, ERR_REFUSED, "refused");
	enter(TUNNEL_UP, ERR_NONE, NULL);
	expect(0, ROUTE_DOWN, "refused");
	enter(TUNNEL_STOPPED, ERR_NONE, NULL);
	expect(0, ROUTE_IDLE, NULL);
	tunnels_fini(&ts);
}

/* A report may be older than the list, and the list longer or shorter than it was. */
static void test_another_list(void **state)
{
	struct config_tunnel other = spec_of(2);

	begin(3);
	say(2, ROUTE_DOWN, ERR_REFUSED, "refused");
	t->spec = &other;
	assert_null(say(2, ROUTE_UP, ERR_NONE, NULL));
	assert_non_null(say(1, ROUTE_UP, ERR_NONE, NULL));
	expect(0, ROUTE_IDLE, NULL);
	expect(1, ROUTE_UP, NULL);
	t->spec = &spec;
	expect(2, ROUTE_IDLE, NULL); /* nothing is known of a third one */
	assert_non_null(say(2, ROUTE_STANDBY, ERR_NONE, NULL));
	expect(2, ROUTE_STANDBY, NULL);
	expect(1, ROUTE_IDLE, NULL);
	tunnels_fini(&ts);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_alone_is_in_the_state_of_its_tunnel),
		cmocka_unit_test(test_each_has_its_own),
		cmocka_unit_test(test_only_what_is_new_is_news),
		cmocka_unit_test(test_who_needs_a_person),
		cmocka_unit_test(test_a_stopped_tunnel_forgets),
		cmocka_unit_test(test_another_list),
	};

	return cmocka_run_group_tests_name("servers", tests, NULL, NULL);
}
