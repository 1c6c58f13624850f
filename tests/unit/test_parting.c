/* SPDX-License-Identifier: MIT */
/*
 * What a session that takes its leave waits for, and how long: an answer of the server, channels that it has
 * not closed yet. The session follows a script, the clock is the test's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/worker/parting.h"
#include "tests/unit/fake_loop.h"

static struct loop *loop;
static struct partings partings;
static unsigned over; /* how often that was told */

/* ---- the session ---- */

static struct {
	unsigned channels;
	bool is_cancelling;
	const struct session_ops *ops;
	void *ops_data;
	session_answer_fn on_answer; /* NULL: it was not asked */
	void *answer_data;
	bool is_closed, is_forgotten;
} fake;

static struct session *const session = (struct session *)&fake;

unsigned session_member_count(const struct session *s)
{
	return fake.channels;
}

bool session_is_cancelling(const struct session *s)
{
	return fake.is_cancelling;
}

void session_set_ops(struct session *s, const struct session_ops *ops, void *data)
{
	fake.ops = ops;
	fake.ops_data = data;
}

void session_probe(struct session *s, struct session_request *request, session_answer_fn on_answer,
		   void *data)
{
	fake.on_answer = on_answer;
	fake.answer_data = data;
}

void session_forget(struct session *s, struct session_request *request)
{
	fake.is_forgotten = true;
}

void session_close(struct session *s)
{
	assert_false(fake.is_closed);
	fake.is_closed = true;
}

/* ---- the stage ---- */

static void on_over(void *data)
{
	assert_true(fake.is_closed);
	over++;
}

static int set_up(void **state)
{
	loop = fake_loop_new();
	memset(&fake, 0, sizeof(fake));
	over = 0;
	partings_init(&partings, loop);
	return 0;
}

static int tear_down(void **state)
{
	partings_fini(&partings);
	assert_int_equal(over, 1);
	fake_loop_free(loop);
	return 0;
}

static void part(unsigned channels, bool is_cancelling)
{
	fake.channels = channels;
	fake.is_cancelling = is_cancelling;
	assert_true(parting_is_due(session));
	assert_non_null(parting_new(&partings, session, on_over, NULL));
	assert_int_equal(over, 0);
}

static void is_answered(void)
{
	struct session_answer answer = { 0 };

	assert_non_null(fake.on_answer);
	fake.on_answer(fake.answer_data, &answer);
}

static void turn(unsigned ms)
{
	fake_loop_advance(loop, ms);
}

/* ---- cases ---- */

static void test_the_answer_is_waited_for(void **state)
{
	part(0, true);
	turn(1400);
	assert_int_equal(over, 0);
	is_answered();
	assert_int_equal(over, 1);
	assert_true(fake.is_forgotten);
}

static void test_nobody_answers(void **state)
{
	part(0, true);
	turn(1499);
	assert_int_equal(over, 0);
	turn(1);
	assert_int_equal(over, 1);
}

/* Whoever has nothing to take back is asked nothing: not every server answers. */
static void test_channels_are_waited_for(void **state)
{
	part(2, false);
	assert_null(fake.on_answer);
	turn(500);
	fake.channels = 1;
	turn(400);
	assert_int_equal(over, 0);
	fake.channels = 0;
	turn(10);
	assert_int_equal(over, 1);
}

static void test_channels_that_nobody_closes(void **state)
{
	part(1, false);
	turn(999);
	assert_int_equal(over, 0);
	turn(1);
	assert_int_equal(over, 1);
}

static void test_the_answer_and_then_the_channels(void **state)
{
	part(1, true);
	turn(300);
	is_answered();
	turn(300);
	assert_int_equal(over, 0);
	fake.channels = 0;
	turn(10);
	assert_int_equal(over, 1);
}

static void test_the_channels_and_then_the_answer(void **state)
{
	part(1, true);
	turn(300);
	fake.channels = 0;
	turn(300);
	assert_int_equal(over, 0);
	is_answered();
	assert_int_equal(over, 1);
}

/* The time for last words is not added to that of the answer. */
static void test_a_late_answer_and_open_channels(void **state)
{
	part(1, true);
	turn(1200);
	is_answered();
	assert_int_equal(over, 1);
}

static void test_it_breaks(void **state)
{
	struct err err = { .code = ERR_LOST };

	part(1, true);
	turn(100);
	fake.ops->on_lost(fake.ops_data, &err);
	assert_int_equal(over, 1);
	turn(5000);
}

static void test_the_worker_ends(void **state)
{
	part(1, false);
	turn(100);
	partings_fini(&partings);
	assert_int_equal(over, 1);
}

static void test_nothing_to_wait_for(void **state)
{
	assert_false(parting_is_due(session));
	over = 1; /* for tear_down() */
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_the_answer_is_waited_for),
		TEST(test_nobody_answers),
		TEST(test_channels_are_waited_for),
		TEST(test_channels_that_nobody_closes),
		TEST(test_the_answer_and_then_the_channels),
		TEST(test_the_channels_and_then_the_answer),
		TEST(test_a_late_answer_and_open_channels),
		TEST(test_it_breaks),
		TEST(test_the_worker_ends),
		TEST(test_nothing_to_wait_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
