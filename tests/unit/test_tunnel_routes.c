/* SPDX-License-Identifier: MIT */
/*
 * A tunnel with three servers, a clock the test moves, and sessions that follow a script: who is tried
 * when, when the tunnel goes back to a better one, and what it says about each.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/str.h"
#include "lib/util.h"
#include "tests/unit/tunnel_fixture.h"

enum { A, B, C, SERVERS };

static const char *const names[] = { "a.example", "b.example", "c.example", "d.example" };

/* ---- the stage ---- */

/* hosts: a letter each. */
static struct config_tunnel *new_spec(const char *hosts)
{
	struct strbuf text = { 0 };
	struct config_tunnel *spec;

	for (const char *c = hosts; *c; c++)
		strbuf_addf(&text, "%s%s", c > hosts ? " " : "", names[*c - 'a']);
	spec = tunnel_spec(text.data);
	strbuf_fini(&text);
	return spec;
}

static void turn(unsigned ms)
{
	fake_loop_advance(the_loop, ms);
}

/* How a server answers from now on. */
static void breaks(unsigned route, enum err_code code)
{
	script.fails[route] = true;
	err_set(&script.why_route[route], code, "%s:22: scripted", names[route]);
}

static void works(unsigned route)
{
	script.fails[route] = false;
}

/* Something happened at a server's socket. */
static void progress(unsigned route)
{
	assert_non_null(script.to[route]);
	script.to[route]->ops->on_progress(script.to[route]->data);
	turn(0);
}

static void lose(unsigned route)
{
	struct err err;

	err_set(&err, ERR_LOST, "%s:22 is gone", names[route]);
	assert_non_null(script.to[route]);
	script.to[route]->ops->on_lost(script.to[route]->data, &err);
	turn(0);
}

static unsigned living(void)
{
	unsigned count = 0;

	for (size_t i = 0; i < CONFIG_ROUTES_MAX; i++)
		count += script.to[i] != NULL;
	return count;
}

static int setup(void **state)
{
	return tunnel_setup(state, "a.example b.example c.example");
}

static int teardown(void **state)
{
	tunnel_teardown(state);
	assert_int_equal(living(), 0);
	return 0;
}

static void start(struct stage *stage)
{
	tunnel_start(stage->tunnel);
	turn(0);
}

/* Up with this one; those before it are down. */
static void start_with(struct stage *stage, unsigned route)
{
	for (unsigned i = 0; i < route; i++)
		breaks(i, ERR_REFUSED);
	start(stage);
	for (unsigned i = 0; i <= route; i++)
		progress(i);
	assert_int_equal(heard.last.state, TUNNEL_UP);
	assert_int_equal(heard.last.route, route);
	for (unsigned i = 0; i < route; i++)
		works(i);
	heard.forward->cut = 0;
}

static unsigned wait_ms(void)
{
	assert_int_equal(heard.last.state, TUNNEL_BACKOFF);
	return (unsigned)(heard.last.retry_at_ms - loop_now_ms(the_loop));
}

static void connection_begins(struct list *link)
{
	list_append(&heard.forward->base.home.list, link);
}

static void connection_ends(struct list *link)
{
	list_remove(link);
	heard.forward->base.ops->on_idle(heard.forward->base.data, &heard.forward->base);
	turn(0);
}

/* ---- on to the next ---- */

static void test_each_is_tried_once_then_there_is_a_pause(void **state)
{
	for (unsigned i = A; i < SERVERS; i++)
		breaks(i, ERR_REFUSED);
	start(*state);
	progress(A);
	assert_int_equal(heard.last.state, TUNNEL_CONNECTING);
	assert_int_equal(heard.last.route, B);
	assert_string_equal(heard.last.error.msg, "a.example:22: scripted"); /* why not that one */
	progress(B);
	progress(C);
	assert_int_equal(script.started, 3);
	assert_in_range(wait_ms(), 1, 1000);
	assert_string_equal(
		heard.last.error.msg,
		"a.example:22: scripted; b.example:22: scripted; c.example:22: scripted");
	works(A);
	turn(wait_ms());
	progress(A);
	assert_int_equal(heard.last.state, TUNNEL_UP);
	assert_int_equal(heard.last.route, A);
}

static void test_each_has_the_whole_time(void **state)
{
	script.answers[TUNNEL_CONNECTING] = STEP_WAIT;
	start(*state);
	turn(14999);
	assert_int_equal(heard.last.route, A);
	turn(1);
	assert_int_equal(heard.last.route, B);
	assert_int_equal(heard.route_errors[A].code, ERR_TIMEOUT);
	turn(14999);
	assert_int_equal(heard.last.route, B);
	script.answers[TUNNEL_CONNECTING] = STEP_NEXT;
	progress(B);
	assert_int_equal(heard.last.state, TUNNEL_UP);
}

static void on_admit(void *data)
{
	*(bool *)data = true;
}

/* Its place at a server is given back when it goes on to the next, where it takes another. */
static void test_the_gate_is_left_and_entered_anew(void **state)
{
	struct stage *stage = *state;
	struct gate_pass at[2] = { 0 };
	bool inside[2] = { false };
	char name[32];

	gate_set_limit(stage->parts.gate, 1);
	breaks(A, ERR_REFUSED);
	start(stage);
	for (unsigned i = A; i <= B; i++) {
		snprintf(name, sizeof(name), "%s:22", names[i]);
		assert_int_equal(
			gate_enter(stage->parts.gate, &at[i], name, false, on_admit, &inside[i]),
			0);
	}
	turn(0);
	assert_false(inside[A]);
	assert_true(inside[B]);
	progress(A);
	assert_true(inside[A]);
	assert_int_equal(heard.last.route, B);
	assert_null(script.to[B]); /* its turn has not come */
	turn(60000);
	assert_int_equal(heard.last.route, B); /* and its clock does not run */
	gate_leave(&at[B]);
	turn(0);
	progress(B);
	assert_int_equal(heard.last.state, TUNNEL_UP);
	gate_leave(&at[A]);
}

static void test_a_stable_session_that_breaks_goes_on_elsewhere_at_once(void **state)
{
	start_with(*state, A);
	turn(10000);
	lose(A);
	assert_int_equal(heard.last.state, TUNNEL_CONNECTING);
	assert_int_equal(heard.last.route, B);
	assert_int_equal(heard.forward->told, TOLD_HOLD); /* clients wait, they are not refused */
	progress(B);
	assert_int_equal(heard.last.state, TUNNEL_UP);
	assert_int_equal(heard.servers_changed, 1);
	assert_int_equal(heard.routes[A], ROUTE_DOWN);
	assert_int_equal(heard.routes[B], ROUTE_UP);
}

/* Two servers that hang up right after authentication are no reason to hammer both. */
static void test_sessions_that_break_early_lead_to_a_pause(void **state)
{
	start(*state);
	for (unsigned round = 0; round < 5; round++) {
		for (unsigned i = A; i < SERVERS; i++) {
			progress(i);
			assert_int_equal(heard.last.state, TUNNEL_UP);
			lose(i);
		}
		assert_true(wait_ms() >= 500);
		turn(wait_ms());
	}
	assert_int_equal(script.started, 16);
}

/* ---- who needs a person ---- */

static void test_a_changed_key_does_not_stop_the_others(void **state)
{
	breaks(A, ERR_HOST_KEY_CHANGED);
	start(*state);
	progress(A);
	progress(B);
	assert_int_equal(heard.last.state, TUNNEL_UP);
	assert_int_equal(heard.last.route, B);
	assert_int_equal(heard.routes[A], ROUTE_FAILED);
	assert_int_equal(heard.route_errors[A].code, ERR_HOST_KEY_CHANGED);
	turn(3600 * 1000); /* it is not knocked at again */
	assert_int_equal(script.started, 2);
}

static void test_who_needs_a_person_is_left_out_of_the_next_rounds(void **state)
{
	struct stage *stage = *state;

	breaks(A, ERR_HOST_KEY_CHANGED);
	breaks(B, ERR_REFUSED);
	breaks(C, ERR_REFUSED);
	start(stage);
	for (unsigned i = A; i < SERVERS; i++)
		progress(i);
	assert_int_equal(heard.last.error.code, ERR_REFUSED); /* may get well */
	assert_non_null(strstr(heard.last.error.msg, "a.example:22: scripted; b."));
	turn(wait_ms());
	assert_null(script.to[A]);
	progress(B);
	progress(C);
	assert_int_equal(script.started, 5);
	works(A);
	start(stage); /* a person says that all may be tried again */
	progress(A);
	assert_int_equal(heard.last.state, TUNNEL_UP);
	assert_int_equal(heard.last.route, A);
}

static void test_all_need_a_person(void **state)
{
	struct stage *stage = *state;

	breaks(A, ERR_HOST_KEY_CHANGED);
	breaks(B, ERR_AUTH);
	breaks(C, ERR_NO_IDENTITY);
	start(stage);
	for (unsigned i = A; i < SERVERS; i++)
		progress(i);
	assert_int_equal(heard.last.state, TUNNEL_FAILED);
	assert_int_equal(heard.last.error.code, ERR_HOST_KEY_CHANGED);
	assert_int_equal(heard.forward->told, TOLD_REFUSE);
	turn(24 * 3600 * 1000);
	assert_int_equal(script.started, 3);
	works(B);
	start(stage);
	progress(A);
	progress(B);
	assert_int_equal(heard.last.state, TUNNEL_UP);
}

static void test_up_tries_the_mended_server_while_another_is_used(void **state)
{
	struct stage *stage = *state;

	breaks(A, ERR_HOST_KEY_CHANGED);
	start(stage);
	progress(A);
	progress(B);
	turn(10000);
	works(A);
	start(stage);
	progress(A);
	assert_int_equal(heard.last.state, TUNNEL_UP);
	assert_int_equal(heard.last.route, A);
}

/* ---- back to a better one ---- */

static void test_back_after_a_while(void **state)
{
	start_with(*state, B);
	heard.forward->listens_remotely = true;
	turn(299999);
	assert_int_equal(script.started, 2);
	turn(1);
	assert_int_equal(script.started, 3);
	assert_int_equal(heard.routes[A], ROUTE_CONNECTING);
	assert_int_equal(heard.last.state, TUNNEL_UP); /* with the other one */
	assert_int_equal(heard.last.route, B);
	progress(A);
	/* The old server listens no more before the new one is asked to. */
	assert_non_null(heard.parted);
	assert_int_equal(heard.last.state, TUNNEL_OPENING);
	assert_int_equal(heard.forward->told, TOLD_HOLD);
	heard.parted(heard.parting);
	heard.parted = NULL;
	turn(0);
	assert_int_equal(heard.last.state, TUNNEL_UP);
	assert_int_equal(heard.last.route, A);
	assert_int_equal(heard.last.attempt, 1);
	assert_int_equal(heard.forward->told, TOLD_SERVE);
	assert_int_equal(heard.routes[A], ROUTE_UP);
	assert_int_equal(heard.routes[B], ROUTE_IDLE);
	assert_int_equal(heard.forward->cut, 0);
	assert_int_equal(living(), 1);
	turn(3600 * 1000);
	assert_int_equal(script.started, 3); /* there is no better one */
}

static void test_no_move_while_a_connection_is_open(void **state)
{
	struct list one, two;

	list_init(&one);
	list_init(&two);
	start_with(*state, B);
	connection_begins(&one);
	connection_begins(&two);
	turn(300000);
	progress(A);
	assert_int_equal(heard.routes[A], ROUTE_STANDBY);
	turn(3600 * 1000);
	assert_int_equal(heard.last.route, B);
	assert_int_equal(living(), 2);
	connection_ends(&one);
	assert_int_equal(heard.last.route, B);
	connection_ends(&two);
	assert_int_equal(heard.last.route, A);
	assert_int_equal(heard.last.state, TUNNEL_UP);
	assert_int_equal(heard.forward->cut, 0);
}

/* A better server stands by; the only client has left, and the channel it had is still open. */
static void leave_with_last_words(struct stage *stage, struct list *client)
{
	list_init(client);
	start_with(stage, B);
	connection_begins(client);
	turn(300000);
	progress(A);
	script.channels = 1;
	connection_ends(client);
}

/* A server that is told good-bye forgets what clients that have left had sent. */
static void test_a_move_waits_for_last_words(void **state)
{
	struct list one;

	leave_with_last_words(*state, &one);
	turn(500);
	assert_int_equal(heard.last.route, B);
	script.channels = 0;
	turn(10);
	assert_int_equal(heard.last.route, A);
}

static void test_a_move_waits_for_no_server_for_ever(void **state)
{
	struct list one;

	leave_with_last_words(*state, &one);
	turn(900);
	connection_begins(&one); /* anew for each who comes meanwhile */
	turn(60 * 1000);
	assert_int_equal(heard.last.route, B);
	connection_ends(&one);
	turn(900);
	assert_int_equal(heard.last.route, B);
	turn(110);
	assert_int_equal(heard.last.route, A);
	assert_null(heard.parted); /* nor once more */
}

static void test_the_ready_one_takes_over_when_the_other_breaks(void **state)
{
	struct list one;
	unsigned started;

	list_init(&one);
	start_with(*state, C);
	connection_begins(&one);
	turn(300000);
	progress(A);
	started = script.started;
	lose(C);
	assert_int_equal(heard.last.state, TUNNEL_UP);
	assert_int_equal(heard.last.route, A);
	assert_int_equal(script.started, started);
	assert_int_equal(heard.forward->cut, 1);
	list_remove(&one);
}

static void test_an_attempt_under_way_becomes_the_tunnels(void **state)
{
	start_with(*state, B);
	turn(300000);
	lose(B);
	assert_int_equal(heard.last.state, TUNNEL_CONNECTING);
	assert_int_equal(heard.last.route, A);
	breaks(A, ERR_REFUSED);
	progress(A);
	assert_int_equal(heard.last.route, C);
	progress(C);
	assert_int_equal(heard.last.state, TUNNEL_UP);
}

static void test_better_ones_are_tried_in_order_and_then_left_alone(void **state)
{
	start_with(*state, C);
	breaks(A, ERR_REFUSED);
	breaks(B, ERR_HOST_KEY_CHANGED);
	turn(300000);
	progress(A);
	assert_int_equal(heard.routes[A], ROUTE_DOWN);
	progress(B);
	assert_int_equal(heard.routes[B], ROUTE_FAILED);
	assert_int_equal(heard.last.state, TUNNEL_UP);
	assert_int_equal(script.started, 5);
	turn(299999);
	assert_int_equal(script.started, 5);
	turn(1);
	progress(A);
	assert_int_equal(script.started, 6); /* the second one needs a person */
	assert_int_equal(heard.last.route, C);
}

/* What failed in the background some minutes ago is tried again when it is needed. */
static void test_a_try_in_the_background_is_in_no_round(void **state)
{
	start_with(*state, B);
	breaks(A, ERR_REFUSED);
	turn(300000);
	progress(A);
	works(A);
	lose(B);
	assert_int_equal(heard.last.route, A);
	progress(A);
	assert_int_equal(heard.last.state, TUNNEL_UP);
}

static void test_no_way_back_where_it_is_off(void **state)
{
	struct stage *stage = *state;
	struct config_tunnel *spec = new_spec("abc");

	spec->failback_ms = 0;
	tunnel_set(stage->tunnel, spec, false);
	start_with(stage, B);
	turn(24 * 3600 * 1000);
	assert_int_equal(script.started, 2);
}

static void test_any_stays_where_it_works(void **state)
{
	struct stage *stage = *state;
	struct config_tunnel *spec = new_spec("abc");

	spec->prefer = PREFER_ANY;
	tunnel_set(stage->tunnel, spec, false);
	start_with(stage, B);
	turn(24 * 3600 * 1000);
	assert_int_equal(script.started, 2);
	for (unsigned i = A; i < SERVERS; i++)
		breaks(i, ERR_REFUSED);
	lose(B);
	progress(C);
	progress(A);
	turn(wait_ms());
	assert_int_equal(heard.last.route, B);
}

static void test_another_network_is_a_reason_to_look(void **state)
{
	struct stage *stage = *state;

	start_with(stage, B);
	turn(20000);
	tunnel_wake(stage->tunnel);
	turn(2000);
	progress(A);
	assert_int_equal(heard.last.route, A);
	assert_int_equal(heard.last.state, TUNNEL_UP);
}

static void test_stop_and_restart_end_both(void **state)
{
	struct stage *stage = *state;
	struct list one;

	list_init(&one);
	start_with(stage, B);
	connection_begins(&one);
	turn(300000);
	progress(A);
	assert_int_equal(living(), 2);
	tunnel_restart(stage->tunnel); /* the way to force a move */
	list_remove(&one);
	turn(0);
	progress(A);
	assert_int_equal(living(), 1);
	assert_int_equal(heard.last.route, A);
	lose(A);
	progress(B);
	turn(300000);
	assert_int_equal(living(), 2);
	tunnel_stop(stage->tunnel);
	turn(24 * 3600 * 1000);
	assert_int_equal(living(), 0);
	assert_int_equal(heard.last.state, TUNNEL_STOPPED);
}

/* ---- another list ---- */

static void test_a_server_that_is_still_in_the_list_keeps_its_session(void **state)
{
	struct stage *stage = *state;

	start_with(stage, B);
	tunnel_set(stage->tunnel, new_spec("dcb"), true);
	turn(0);
	assert_int_equal(script.started, 2);
	assert_int_equal(heard.last.state, TUNNEL_UP);
	assert_int_equal(heard.last.route, 2);
	assert_int_equal(heard.routes[2], ROUTE_UP);
	assert_int_equal(heard.routes[1], ROUTE_IDLE);
	assert_int_equal(heard.routes[0], ROUTE_IDLE);
	turn(300000);
	assert_int_equal(script.started, 3); /* d is better now */
	script.to[0]->ops->on_progress(script.to[0]->data);
	turn(0);
	assert_int_equal(heard.last.route, 0);
	assert_int_equal(heard.last.state, TUNNEL_UP);
}

static void test_a_server_that_has_left_the_list_is_left(void **state)
{
	struct stage *stage = *state;

	start_with(stage, B);
	tunnel_set(stage->tunnel, new_spec("ac"), true);
	turn(0);
	assert_int_equal(heard.last.state, TUNNEL_CONNECTING);
	assert_int_equal(heard.last.route, 0);
	assert_int_equal(living(), 1);
	progress(A);
	assert_int_equal(heard.last.state, TUNNEL_UP);
}

static void test_one_server_alone_has_no_states_of_its_own(void **state)
{
	struct stage *stage = *state;

	tunnel_set(stage->tunnel, new_spec("a"), true);
	heard.route_reports = 0;
	start(stage);
	progress(A);
	turn(10000);
	lose(A);
	assert_in_range(wait_ms(), 1, 100);
	assert_string_equal(heard.last.error.msg, "a.example:22 is gone");
	turn(100);
	progress(A);
	assert_int_equal(heard.last.state, TUNNEL_UP);
	assert_int_equal(heard.route_reports, 0);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_each_is_tried_once_then_there_is_a_pause),
		TEST(test_each_has_the_whole_time),
		TEST(test_the_gate_is_left_and_entered_anew),
		TEST(test_a_stable_session_that_breaks_goes_on_elsewhere_at_once),
		TEST(test_sessions_that_break_early_lead_to_a_pause),
		TEST(test_a_changed_key_does_not_stop_the_others),
		TEST(test_who_needs_a_person_is_left_out_of_the_next_rounds),
		TEST(test_all_need_a_person),
		TEST(test_up_tries_the_mended_server_while_another_is_used),
		TEST(test_back_after_a_while),
		TEST(test_no_move_while_a_connection_is_open),
		TEST(test_a_move_waits_for_last_words),
		TEST(test_a_move_waits_for_no_server_for_ever),
		TEST(test_the_ready_one_takes_over_when_the_other_breaks),
		TEST(test_an_attempt_under_way_becomes_the_tunnels),
		TEST(test_better_ones_are_tried_in_order_and_then_left_alone),
		TEST(test_a_try_in_the_background_is_in_no_round),
		TEST(test_no_way_back_where_it_is_off),
		TEST(test_any_stays_where_it_works),
		TEST(test_another_network_is_a_reason_to_look),
		TEST(test_stop_and_restart_end_both),
		TEST(test_a_server_that_is_still_in_the_list_keeps_its_session),
		TEST(test_a_server_that_has_left_the_list_is_left),
		TEST(test_one_server_alone_has_no_states_of_its_own),
	};

	return cmocka_run_group_tests_name("tunnel_routes", tests, NULL, NULL);
}
