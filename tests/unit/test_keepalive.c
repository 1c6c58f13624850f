/* SPDX-License-Identifier: MIT */
/*
 * When a silent server is asked, and when it is given up, with a clock the test moves and a session
 * that hears what the test says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/worker/keepalive.h"
#include "lib/util.h"
#include "tests/unit/fake_loop.h"

/* ---- the scripted session ---- */

static struct {
	struct list requests;
	unsigned asked;
	uint64_t heard_ms;
	bool unread; /* bytes are in the socket that nobody has read yet */
} server;

static struct loop *loop;

static void hear(void)
{
	server.heard_ms = loop_now_ms(loop);
}

void session_probe(struct session *s, struct session_request *request, session_answer_fn on_answer,
		   void *data)
{
	*request = (struct session_request){ .on_answer = on_answer, .data = data };
	list_append(&server.requests, &request->link);
	server.asked++;
}

void session_forget(struct session *s, struct session_request *request)
{
	list_remove(&request->link);
}

uint64_t session_heard_ms(const struct session *s)
{
	return server.heard_ms;
}

void session_pump(struct session *s)
{
	if (server.unread)
		hear();
	server.unread = false;
}

void session_touch(struct session *s)
{
}

static void answer(void)
{
	struct session_request *r = list_first(&server.requests, struct session_request, link);

	assert_non_null(r);
	list_remove(&r->link);
	hear();
	r->on_answer(r->data, &(struct session_answer){ .granted = true, .rtt_us = 1234 });
}

/* ---- the owner ---- */

static struct keepalive keepalive;
static unsigned rtts, last_rtt_us, deaths, silence_ms;
static bool another_is_asked;

static void on_rtt(void *data, unsigned rtt_us)
{
	rtts++;
	last_rtt_us = rtt_us;
}

static void on_dead(void *data, unsigned silent_for_ms)
{
	deaths++;
	silence_ms = silent_for_ms;
}

static bool may_wait(void *data)
{
	return another_is_asked;
}

static const struct keepalive_ops ops = { .on_rtt = on_rtt,
					  .may_wait = may_wait,
					  .on_dead = on_dead };

static void start(unsigned interval_ms, unsigned count)
{
	assert_int_equal(keepalive_open(&keepalive, loop, NULL, interval_ms, count, &ops, NULL), 0);
}

static void pass(unsigned ms)
{
	fake_loop_advance(loop, ms);
}

static int set_up(void **state)
{
	loop = fake_loop_new();
	server.asked = 0;
	server.unread = false;
	list_init(&server.requests);
	hear();
	rtts = deaths = silence_ms = 0;
	another_is_asked = false;
	return 0;
}

static int tear_down(void **state)
{
	keepalive_close(&keepalive);
	assert_true(list_is_empty(&server.requests)); /* nothing of ours stays in the session */
	fake_loop_free(loop);
	return 0;
}

/* ---- asking ---- */

static void test_asks_at_once_and_then_after_silence(void **state)
{
	start(15000, 3);
	assert_int_equal(server.asked, 1);
	answer();
	assert_int_equal(rtts, 1);
	pass(14999);
	assert_int_equal(server.asked, 1);
	pass(1);
	assert_int_equal(server.asked, 2);
	pass(5000);
	assert_int_equal(server.asked, 2); /* one question at a time */
	answer();
	pass(14999);
	assert_int_equal(server.asked, 2);
	pass(1);
	assert_int_equal(server.asked, 3);
	assert_int_equal(deaths, 0);
}

static void test_bytes_postpone_the_question(void **state)
{
	start(15000, 3);
	answer();
	for (int i = 0; i < 100; i++) {
		pass(10000);
		hear();
	}
	assert_int_equal(server.asked, 1);
	pass(14999);
	assert_int_equal(server.asked, 1);
	pass(1);
	assert_int_equal(server.asked, 2);
}

/* Every interval a question, not every time a verdict would be due. */
static void test_an_idle_server_is_asked_every_interval(void **state)
{
	start(15000, 3);
	answer();
	for (unsigned asked = 2; asked < 20; asked++) {
		pass(15000);
		assert_int_equal(server.asked, asked);
		answer();
	}
	pass(44999);
	assert_int_equal(deaths, 0);
	pass(1);
	assert_int_equal(deaths, 1);
}

static void test_the_time_an_answer_takes(void **state)
{
	start(15000, 3);
	answer();
	assert_int_equal(last_rtt_us, 1234);
}

/* ---- judging ---- */

static void test_dead_after_count_intervals_of_silence(void **state)
{
	start(15000, 3);
	answer();
	pass(44999);
	assert_int_equal(deaths, 0);
	pass(1);
	assert_int_equal(deaths, 1);
	assert_int_equal(silence_ms, 45000);
	assert_int_equal(server.asked, 2);
	pass(1000000);
	assert_int_equal(deaths, 1);
}

static void test_the_verdict_waits_for_that_about_another(void **state)
{
	start(15000, 3);
	answer();
	another_is_asked = true;
	pass(60000);
	assert_int_equal(deaths, 0);
	another_is_asked = false;
	pass(15000 / 4);
	assert_int_equal(deaths, 1);
	assert_true(silence_ms >= 60000);
}

static void test_an_answer_saves_who_waits_for_the_verdict(void **state)
{
	start(15000, 3);
	answer();
	another_is_asked = true;
	pass(60000);
	another_is_asked = false;
	answer();
	pass(44999);
	assert_int_equal(deaths, 0);
}

static void test_bytes_that_are_no_answer_are_life(void **state)
{
	start(15000, 3);
	answer();
	pass(30000);
	hear();
	pass(44999);
	assert_int_equal(deaths, 0);
	pass(1);
	assert_int_equal(deaths, 1);
	assert_int_equal(silence_ms, 45000);
}

/* An endless stream without an answer: the server is slow, not dead. */
static void test_a_busy_server_that_never_answers(void **state)
{
	start(15000, 3);
	for (int i = 0; i < 50; i++) {
		pass(40000);
		hear();
	}
	assert_int_equal(deaths, 0);
	assert_int_equal(server.asked, 1);
}

static void test_a_count_of_one_still_asks_first(void **state)
{
	start(10000, 1);
	answer();
	pass(4999);
	assert_int_equal(server.asked, 1);
	pass(1);
	assert_int_equal(server.asked, 2);
	pass(4999);
	assert_int_equal(deaths, 0);
	pass(1);
	assert_int_equal(deaths, 1);
	assert_int_equal(silence_ms, 10000);
}

static void test_a_count_of_zero_is_one(void **state)
{
	start(10000, 0);
	answer();
	pass(9999);
	assert_int_equal(deaths, 0);
	pass(1);
	assert_int_equal(deaths, 1);
}

/* However long the silence before it: who is asked gets the time to answer. */
static void test_a_question_gets_its_time(void **state)
{
	start(0, 3);
	answer();
	pass(100000);
	keepalive_set(&keepalive, 10000, 2);
	pass(9000);
	keepalive_ask(&keepalive);
	keepalive_ask(&keepalive);
	assert_int_equal(server.asked, 2);
	pass(9999);
	assert_int_equal(deaths, 0);
	pass(1);
	assert_int_equal(deaths, 1);
}

/* ---- a process that did not run ---- */

static void test_after_a_sleep_it_asks_before_it_judges(void **state)
{
	start(15000, 3);
	answer();
	fake_loop_sleep(loop, 3600 * 1000);
	assert_int_equal(deaths, 0);
	assert_int_equal(server.asked, 2);
	pass(29999); /* as long as there is between question and verdict otherwise */
	assert_int_equal(deaths, 0);
	pass(1);
	assert_int_equal(deaths, 1);
}

static void test_after_a_sleep_an_answer_saves(void **state)
{
	start(15000, 3);
	answer();
	fake_loop_sleep(loop, 3600 * 1000);
	pass(29000);
	answer();
	pass(44999);
	assert_int_equal(deaths, 0);
}

/* The server did answer; we have not read it yet. */
static void test_what_was_not_read_yet_is_no_silence(void **state)
{
	start(15000, 3);
	answer();
	pass(20000);
	assert_int_equal(server.asked, 2);
	server.unread = true;
	fake_loop_sleep(loop, 3600 * 1000);
	assert_int_equal(deaths, 0);
	pass(44999);
	assert_int_equal(deaths, 0);
	pass(1);
	assert_int_equal(deaths, 1);
}

/* ---- settings ---- */

static void test_an_interval_of_zero_asks_only_once(void **state)
{
	start(0, 3);
	assert_int_equal(server.asked, 1);
	answer();
	pass(100 * 1000 * 1000);
	assert_int_equal(server.asked, 1);
	assert_int_equal(deaths, 0);
}

static void test_new_settings_apply_at_once(void **state)
{
	start(0, 3);
	answer();
	pass(100000);
	keepalive_set(&keepalive, 10000, 2);
	pass(10000);
	assert_int_equal(server.asked, 2);
	pass(9999);
	assert_int_equal(deaths, 0);
	keepalive_set(&keepalive, 0, 2);
	pass(1000000);
	assert_int_equal(deaths, 0);
}

/* The verdict would come in years; it must not come at once because a number overflowed. */
static void test_large_settings_do_not_overflow(void **state)
{
	start(24 * 3600 * 1000, 1000);
	pass(48 * 3600 * 1000);
	assert_int_equal(deaths, 0);
	assert_int_equal(server.asked, 1);
}

static void test_closing_without_an_answer(void **state)
{
	start(15000, 3);
	keepalive_close(&keepalive);
	pass(1000000);
	assert_int_equal(deaths, 0);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_asks_at_once_and_then_after_silence),
		CASE(test_bytes_postpone_the_question),
		CASE(test_an_idle_server_is_asked_every_interval),
		CASE(test_the_time_an_answer_takes),
		CASE(test_dead_after_count_intervals_of_silence),
		CASE(test_the_verdict_waits_for_that_about_another),
		CASE(test_an_answer_saves_who_waits_for_the_verdict),
		CASE(test_bytes_that_are_no_answer_are_life),
		CASE(test_a_busy_server_that_never_answers),
		CASE(test_a_count_of_one_still_asks_first),
		CASE(test_a_count_of_zero_is_one),
		CASE(test_a_question_gets_its_time),
		CASE(test_after_a_sleep_it_asks_before_it_judges),
		CASE(test_after_a_sleep_an_answer_saves),
		CASE(test_what_was_not_read_yet_is_no_silence),
		CASE(test_an_interval_of_zero_asks_only_once),
		CASE(test_new_settings_apply_at_once),
		CASE(test_large_settings_do_not_overflow),
		CASE(test_closing_without_an_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
