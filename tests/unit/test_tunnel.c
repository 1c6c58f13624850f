/* SPDX-License-Identifier: MIT */
/*
 * The machine of one tunnel, with a clock the test moves and a session that follows a script: what
 * it does about success, failure, silence and waiting clients, and what it says about it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/util.h"
#include "tests/unit/tunnel_fixture.h"

#define SERVER "db.example.com"

/* ---- the stage ---- */

static void script_all(enum step step)
{
	for (int i = 0; i < TUNNEL_STATE_COUNT; i++)
		script.answers[i] = step;
}

static void script_failure(enum tunnel_state where, enum err_code code)
{
	script.answers[where] = STEP_FAIL;
	err_set(&script.why, code, "scripted: db.example.com:22");
}

static int setup(void **state)
{
	return tunnel_setup(state, SERVER);
}

/* Something happened on the session: the current step is heard.asked again. */
static void progress(void)
{
	assert_non_null(script.living);
	script.living->ops->on_progress(script.living->data);
	fake_loop_advance(the_loop, 0);
}

static void client_waits(void)
{
	heard.forward->base.ops->on_waiting(heard.forward->base.data, &heard.forward->base);
}

static void forward_fails(void)
{
	struct err err;

	err_set(&err, ERR_PORT_IN_USE, "127.0.0.1:5432 is in use");
	forward_changes(heard.forward, &err);
	fake_loop_advance(the_loop, 0);
}

static void forward_works(void)
{
	forward_changes(heard.forward, NULL);
	fake_loop_advance(the_loop, 0);
}

/* The server has answered the last request of a session that takes its leave. */
static void session_parts(void)
{
	parting_fn parted = heard.parted;

	assert_non_null(parted);
	heard.parted = NULL;
	parted(heard.parting);
	fake_loop_advance(the_loop, 0);
}

static void start(struct stage *stage)
{
	tunnel_start(stage->tunnel);
	fake_loop_advance(the_loop, 0);
	progress();
}

static void lose(enum err_code code)
{
	struct err err;

	err_set(&err, code, "db.example.com:22 is gone");
	script.living->ops->on_lost(script.living->data, &err);
	fake_loop_advance(the_loop, 0);
}

static unsigned wait_ms(void)
{
	return (unsigned)(heard.last.retry_at_ms - loop_now_ms(the_loop));
}

/* ---- tests ---- */

/* Among those whose port the server chooses is one that comes while another is being asked for. */
static void test_a_forward_that_comes_while_others_wait(void **state)
{
	struct stage *stage = *state;
	struct config_forward spec = { .name = strdup("late"), .type = FORWARD_REMOTE };
	struct wire_forward about = { .tunnel = 7, .forward = 2 };
	struct fake_forward *first = heard.forward, *late;
	struct err err;

	first->opening = true;
	start(stage);
	assert_int_equal(tunnel_set_forward(stage->tunnel, &about, &spec, NULL, 0, &err), 0);
	late = heard.forward;
	forward_changes(first, NULL);
	fake_loop_advance(the_loop, 0);
	assert_int_equal(late->told, TOLD_SERVE);
}

static void test_way_to_up(void **state)
{
	start(*state);
	assert_string_equal(heard.states, "connecting verifying authenticating opening up");
	assert_int_equal(heard.forward->told, TOLD_SERVE);
	assert_int_equal(heard.last.attempt, 1);
	assert_string_equal(heard.last.session.address, "192.0.2.1:22");
}

static void test_each_phase_has_its_deadline(void **state)
{
	script.answers[TUNNEL_CONNECTING] = STEP_WAIT;
	start(*state);
	fake_loop_advance(the_loop, 14999);
	assert_int_equal(heard.last.state, TUNNEL_CONNECTING);
	fake_loop_advance(the_loop, 1);
	assert_int_equal(heard.last.state, TUNNEL_BACKOFF);
	assert_int_equal(heard.last.error.code, ERR_TIMEOUT);
	assert_string_equal(heard.last.error.msg,
			    "db.example.com:22: no answer within 15.0 s from the SSH "
			    "banner of 192.0.2.1:22");
	assert_null(script.living);
}

static void test_one_deadline_covers_the_whole_way(void **state)
{
	script.answers[TUNNEL_CONNECTING] = STEP_WAIT;
	start(*state);
	fake_loop_advance(the_loop, 14000);
	script.answers[TUNNEL_CONNECTING] = STEP_NEXT;
	script.answers[TUNNEL_VERIFYING] = STEP_WAIT;
	progress();
	assert_int_equal(heard.last.state, TUNNEL_VERIFYING);
	fake_loop_advance(the_loop, 5999);
	assert_int_equal(heard.last.state, TUNNEL_VERIFYING);
	fake_loop_advance(the_loop, 1); /* 20 s in all, although this phase alone had 10 */
	assert_int_equal(heard.last.state, TUNNEL_BACKOFF);
}

static void test_time_stands_still_while_a_person_thinks(void **state)
{
	const struct attempt_ops *ops;

	script.answers[TUNNEL_AUTHENTICATING] = STEP_WAIT;
	start(*state);
	assert_int_equal(heard.last.state, TUNNEL_AUTHENTICATING);
	ops = script.living->ops;
	ops->on_asking(script.living->data, true);
	fake_loop_advance(the_loop, 3600 * 1000);
	assert_int_equal(heard.last.state, TUNNEL_AUTHENTICATING);
	ops->on_asking(script.living->data, false);
	fake_loop_advance(the_loop, 14999); /* as long as a phase may last */
	assert_int_equal(heard.last.state, TUNNEL_AUTHENTICATING);
	fake_loop_advance(the_loop, 1);
	assert_int_equal(heard.last.state, TUNNEL_BACKOFF);
	assert_int_equal(heard.last.error.code, ERR_TIMEOUT);
}

static void test_what_an_answer_would_mend_waits_for_one(void **state)
{
	static const enum err_code codes[] = { ERR_PASSPHRASE, ERR_PASSWORD, ERR_ANSWER };

	for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
		script_failure(TUNNEL_AUTHENTICATING, codes[i]);
		start(*state);
		assert_int_equal(heard.last.state, TUNNEL_FAILED);
		assert_int_equal(heard.last.error.code, codes[i]);
		assert_non_null(strstr(heard.last.error.msg, "; to answer: tunctl auth db"));
		fake_loop_advance(the_loop, 3600 * 1000);
		assert_int_equal(heard.last.state, TUNNEL_FAILED);
	}
}

static void test_deadlines_end_with_up(void **state)
{
	start(*state);
	fake_loop_advance(the_loop, 3600 * 1000);
	assert_int_equal(heard.last.state, TUNNEL_UP);
	assert_int_equal(script.started, 1);
}

static void test_waits_grow_up_to_the_bound(void **state)
{
	unsigned longest = 0;

	script_failure(TUNNEL_CONNECTING, ERR_REFUSED);
	start(*state);
	for (unsigned n = 1; n <= 12; n++) {
		unsigned bound = MIN(60000u, 500u << n);

		assert_int_equal(heard.last.state, TUNNEL_BACKOFF);
		assert_int_equal(heard.last.attempt, n);
		assert_in_range(wait_ms(), 500, bound);
		longest = MAX(longest, wait_ms());
		fake_loop_advance(the_loop, wait_ms());
		progress();
	}
	assert_true(longest > 1000); /* a jitter that never grows would pass the bounds */
}

static void test_stable_session_is_retried_at_once(void **state)
{
	start(*state);
	fake_loop_advance(the_loop, 10000);
	lose(ERR_LOST);
	assert_int_equal(heard.last.state, TUNNEL_BACKOFF);
	assert_in_range(wait_ms(), 1, 100);
	assert_int_equal(heard.forward->told, TOLD_HOLD);
	assert_int_equal(heard.forward->cut, 1);
	fake_loop_advance(the_loop, 100);
	progress();
	assert_int_equal(heard.last.state, TUNNEL_UP);
	assert_int_equal(heard.last.attempt, 1);
}

static void test_server_that_closes_after_authentication_does_not_reset(void **state)
{
	start(*state);
	for (unsigned n = 1; n <= 6; n++) {
		lose(ERR_LOST);
		assert_int_equal(heard.last.attempt, n);
		assert_true(wait_ms() >= 500);
		fake_loop_advance(the_loop, wait_ms());
		progress();
		assert_int_equal(heard.last.state, TUNNEL_UP);
	}
}

static void test_person_errors_fail_and_refuse(void **state)
{
	static const enum err_code codes[] = { ERR_HOST_KEY_CHANGED, ERR_HOST_KEY_UNKNOWN,
					       ERR_IDENTITY_MISSING, ERR_AUTH,
					       ERR_NO_COMMON_ALGORITHM };
	struct stage *stage = *state;

	for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
		script_failure(TUNNEL_AUTHENTICATING, codes[i]);
		start(stage);
		assert_int_equal(heard.last.state, TUNNEL_FAILED);
		assert_int_equal(heard.last.error.code, codes[i]);
		assert_int_equal(heard.forward->told, TOLD_REFUSE);
		fake_loop_advance(the_loop, 3600 * 1000);
		assert_int_equal(heard.last.state, TUNNEL_FAILED); /* nothing leaves it by itself */
	}
}

static void test_refusal_by_a_server_that_knew_us_is_retried_slowly(void **state)
{
	start(*state);
	fake_loop_advance(the_loop, 20000);
	script_failure(TUNNEL_AUTHENTICATING, ERR_AUTH);
	lose(ERR_LOST);
	fake_loop_advance(the_loop, 100);
	progress();
	assert_int_equal(heard.last.state, TUNNEL_BACKOFF);
	assert_int_equal(heard.last.error.code, ERR_AUTH);
	assert_true(wait_ms() >= 10000);
}

static void test_waiting_client_shortens_network_waits_only(void **state)
{
	script_failure(TUNNEL_CONNECTING, ERR_REFUSED);
	start(*state);
	for (int i = 0; i < 8; i++) {
		fake_loop_advance(the_loop, wait_ms());
		progress();
	}
	while (wait_ms() <= 1000) { /* find a long wait; the jitter may choose a short one */
		fake_loop_advance(the_loop, wait_ms());
		progress();
	}
	heard.forward->waiting = true;
	client_waits();
	assert_in_range(wait_ms(), 0, 1000);
	fake_loop_advance(the_loop, wait_ms());
	progress();
	assert_in_range(wait_ms(), 1, 1000); /* and so on while somebody waits */
}

static void test_arrivals_do_not_hammer(void **state)
{
	unsigned before;

	script_failure(TUNNEL_CONNECTING, ERR_REFUSED);
	start(*state);
	before = script.started;
	heard.forward->waiting = true;
	for (int i = 0; i < 100; i++) {
		client_waits();
		fake_loop_advance(the_loop, 4);
	}
	assert_int_equal(script.started,
			 before); /* 400 ms: not within a second of the heard.last */
}

static void test_arrivals_do_nothing_about_protocol_errors(void **state)
{
	unsigned wait;

	script_failure(TUNNEL_VERIFYING, ERR_PROTOCOL);
	heard.forward->waiting = true;
	start(*state);
	wait = wait_ms();
	client_waits();
	assert_int_equal(wait_ms(), wait);
}

static void test_degraded_and_back(void **state)
{
	start(*state);
	forward_fails();
	assert_int_equal(heard.last.state, TUNNEL_DEGRADED);
	assert_int_equal(heard.last.error.code, ERR_PORT_IN_USE);
	forward_works();
	assert_int_equal(heard.last.state, TUNNEL_UP);
	assert_int_equal(heard.last.error.code, ERR_NONE);
}

static void test_not_up_before_every_forward_is_answered(void **state)
{
	heard.forward->opening = true;
	start(*state);
	assert_int_equal(heard.last.state, TUNNEL_OPENING);
	fake_loop_advance(the_loop, 3600 * 1000); /* the forward has its own limit */
	assert_int_equal(heard.last.state, TUNNEL_OPENING);
	forward_works();
	assert_int_equal(heard.last.state, TUNNEL_UP);
}

static void test_a_forward_refused_at_first_is_degraded(void **state)
{
	heard.forward->opening = true;
	start(*state);
	forward_fails();
	assert_int_equal(heard.last.state, TUNNEL_DEGRADED);
	assert_int_equal(script.started, 1);
}

static void test_exit_on_forward_failure(void **state)
{
	struct stage *stage = *state;
	struct config_tunnel *spec = tunnel_spec(SERVER);

	spec->upkeep.exit_on_forward_failure = 1;
	tunnel_set(stage->tunnel, spec, false);
	heard.forward->opening = heard.forward->listens_remotely = true;
	start(stage);
	forward_fails();
	assert_int_equal(heard.last.state, TUNNEL_BACKOFF);
	assert_int_equal(heard.last.error.code, ERR_PORT_IN_USE);
	assert_non_null(heard.parted); /* what the server did grant is given back */
	session_parts();
	forward_works(); /* the port is free by now */
	fake_loop_advance(the_loop, wait_ms());
	progress();
	assert_int_equal(heard.last.state, TUNNEL_UP);
	forward_fails(); /* later on it is no reason to end */
	assert_int_equal(heard.last.state, TUNNEL_DEGRADED);
}

static void test_stopped_is_said_when_the_server_listens_no_more(void **state)
{
	struct stage *stage = *state;

	heard.forward->listens_remotely = true;
	start(stage);
	tunnel_stop(stage->tunnel);
	assert_int_equal(heard.last.state, TUNNEL_UP);
	session_parts();
	assert_int_equal(heard.last.state, TUNNEL_STOPPED);
}

static void test_a_start_while_parting_waits_for_it(void **state)
{
	struct stage *stage = *state;

	heard.forward->listens_remotely = true;
	start(stage);
	tunnel_stop(stage->tunnel);
	tunnel_start(stage->tunnel);
	fake_loop_advance(the_loop, 0);
	assert_int_equal(heard.last.state, TUNNEL_CONNECTING);
	assert_int_equal(script.started, 1);
	session_parts();
	assert_int_equal(script.started, 2);
	progress();
	assert_int_equal(heard.last.state, TUNNEL_UP);
}

static void test_a_tunnel_removed_while_parting(void **state)
{
	struct stage *stage = *state;

	heard.forward->listens_remotely = true;
	start(stage);
	tunnel_free(TAKE(stage->tunnel));
	assert_int_equal(heard.removed, 0);
	session_parts();
	assert_int_equal(heard.removed, 1);
}

/* Of clients that have left; the server forgets what it has not passed on when it is told good-bye. */
static void test_an_orderly_end_waits_for_last_words(void **state)
{
	struct stage *stage = *state;

	start(stage);
	script.channels = 1;
	tunnel_stop(stage->tunnel);
	assert_int_equal(heard.last.state, TUNNEL_UP);
	script.channels = 0;
	session_parts();
	assert_int_equal(heard.last.state, TUNNEL_STOPPED);
}

static void test_other_settings_wait_for_last_words(void **state)
{
	struct stage *stage = *state;

	start(stage);
	script.channels = 1;
	tunnel_set(stage->tunnel, tunnel_spec("b.example"), true);
	tunnel_restart(stage->tunnel);
	fake_loop_advance(the_loop, 0);
	assert_int_equal(script.started, 1);
	script.channels = 0;
	session_parts();
	progress();
	assert_int_equal(script.started, 2);
	assert_int_equal(heard.last.state, TUNNEL_UP);
}

/* What is broken has no last words. */
static void test_a_lost_session_waits_for_nothing(void **state)
{
	start(*state);
	script.channels = 1;
	heard.keepalive->ops->on_dead(heard.keepalive->data, 45000);
	assert_null(heard.parted);
	assert_int_equal(heard.last.state, TUNNEL_BACKOFF);
}

static void test_connecting_through_what_is_stopped(void **state)
{
	struct stage *stage = *state;
	struct config_end target = { 0 };

	tunnel_connect(stage->tunnel, 1, &target);
	assert_int_equal(heard.connect_error.code, ERR_NOT_CONNECTED);
	assert_non_null(strstr(heard.connect_error.msg, "tunctl up db"));
}

static void test_silence_ends_the_session(void **state)
{
	start(*state);
	heard.keepalive->ops->on_dead(heard.keepalive->data, 45000);
	assert_int_equal(heard.last.state, TUNNEL_BACKOFF);
	assert_int_equal(heard.last.error.code, ERR_KEEPALIVE);
	assert_non_null(strstr(heard.last.error.msg, "45.0 s"));
}

static void test_stop_stops_and_start_resets_the_count(void **state)
{
	struct stage *stage = *state;

	script_failure(TUNNEL_CONNECTING, ERR_REFUSED);
	start(stage);
	tunnel_stop(stage->tunnel);
	fake_loop_advance(the_loop, 3600 * 1000);
	assert_int_equal(heard.last.state, TUNNEL_STOPPED);
	assert_int_equal(script.started, 1);
	script_all(STEP_NEXT);
	start(stage);
	assert_int_equal(heard.last.state, TUNNEL_UP);
	assert_int_equal(heard.last.attempt, 1);
}

static void test_start_ends_a_wait(void **state)
{
	struct stage *stage = *state;

	script_failure(TUNNEL_CONNECTING, ERR_REFUSED);
	start(stage);
	assert_int_equal(heard.last.state, TUNNEL_BACKOFF);
	script_all(STEP_NEXT);
	start(stage);
	assert_int_equal(heard.last.state, TUNNEL_UP);
}

static void test_start_leaves_a_living_session_alone(void **state)
{
	struct stage *stage = *state;

	start(stage);
	tunnel_start(stage->tunnel);
	fake_loop_advance(the_loop, 0);
	assert_int_equal(script.started, 1);
}

static void test_waking_up_ends_waits_for_the_network(void **state)
{
	struct stage *stage = *state;

	script_failure(TUNNEL_CONNECTING, ERR_UNREACHABLE);
	start(stage);
	for (int i = 0; i < 10; i++) {
		fake_loop_advance(the_loop, wait_ms());
		progress();
	}
	tunnel_wake(stage->tunnel);
	assert_in_range(wait_ms(), 0, 2000);
	script_all(STEP_NEXT);
	fake_loop_advance(the_loop, wait_ms());
	progress();
	assert_int_equal(heard.last.state, TUNNEL_UP);
	heard.asked = 0;
	tunnel_wake(stage->tunnel);
	assert_int_equal(heard.last.state, TUNNEL_UP);
	assert_int_equal(heard.asked, 1); /* does the server still hear us? */
}

static void test_waking_up_changes_nothing_about_other_errors(void **state)
{
	struct stage *stage = *state;
	unsigned wait;

	script_failure(TUNNEL_VERIFYING, ERR_PROTOCOL);
	start(stage);
	wait = wait_ms();
	tunnel_wake(stage->tunnel);
	assert_int_equal(wait_ms(), wait);
}

static void test_new_settings(void **state)
{
	struct stage *stage = *state;
	struct config_tunnel *other = tunnel_spec(SERVER);

	start(stage);
	tunnel_set(stage->tunnel, tunnel_spec(SERVER), false);
	assert_int_equal(script.started, 1);
	assert_int_equal(heard.last.state, TUNNEL_UP);
	other->routes->hops->connection.port = 2222;
	tunnel_set(stage->tunnel, other, true);
	fake_loop_advance(the_loop, 0);
	progress();
	assert_int_equal(script.started, 2);
	assert_int_equal(heard.last.state, TUNNEL_UP);
}

static void test_the_gate_is_left_with_the_first_answer(void **state)
{
	struct stage *stage = *state;
	struct tunnel *other;
	struct err err;

	gate_set_limit(stage->parts.gate, 1);
	other = tunnel_new(&stage->parts, 8, tunnel_spec(SERVER), &err);
	start(stage);
	assert_int_equal(heard.last.state, TUNNEL_UP);
	tunnel_start(other);
	fake_loop_advance(the_loop, 60000); /* its clock does not run while it queues */
	assert_int_equal(heard.last.state, TUNNEL_CONNECTING);
	assert_int_equal(script.started, 1);
	heard.keepalive->ops->on_rtt(heard.keepalive->data, 100);
	script.living = NULL; /* the first one lives on; the second may come */
	fake_loop_advance(the_loop, 0);
	assert_int_equal(script.started, 2);
	tunnel_free(other);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, tunnel_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_a_forward_that_comes_while_others_wait),
		TEST(test_way_to_up),
		TEST(test_each_phase_has_its_deadline),
		TEST(test_one_deadline_covers_the_whole_way),
		TEST(test_time_stands_still_while_a_person_thinks),
		TEST(test_what_an_answer_would_mend_waits_for_one),
		TEST(test_deadlines_end_with_up),
		TEST(test_waits_grow_up_to_the_bound),
		TEST(test_stable_session_is_retried_at_once),
		TEST(test_server_that_closes_after_authentication_does_not_reset),
		TEST(test_person_errors_fail_and_refuse),
		TEST(test_refusal_by_a_server_that_knew_us_is_retried_slowly),
		TEST(test_waiting_client_shortens_network_waits_only),
		TEST(test_arrivals_do_not_hammer),
		TEST(test_arrivals_do_nothing_about_protocol_errors),
		TEST(test_degraded_and_back),
		TEST(test_not_up_before_every_forward_is_answered),
		TEST(test_a_forward_refused_at_first_is_degraded),
		TEST(test_exit_on_forward_failure),
		TEST(test_stopped_is_said_when_the_server_listens_no_more),
		TEST(test_a_start_while_parting_waits_for_it),
		TEST(test_a_tunnel_removed_while_parting),
		TEST(test_an_orderly_end_waits_for_last_words),
		TEST(test_other_settings_wait_for_last_words),
		TEST(test_a_lost_session_waits_for_nothing),
		TEST(test_connecting_through_what_is_stopped),
		TEST(test_silence_ends_the_session),
		TEST(test_stop_stops_and_start_resets_the_count),
		TEST(test_start_ends_a_wait),
		TEST(test_start_leaves_a_living_session_alone),
		TEST(test_waking_up_ends_waits_for_the_network),
		TEST(test_waking_up_changes_nothing_about_other_errors),
		TEST(test_new_settings),
		TEST(test_the_gate_is_left_with_the_first_answer),
	};

	return cmocka_run_group_tests_name("tunnel", tests, NULL, NULL);
}
