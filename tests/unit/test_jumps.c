/* SPDX-License-Identifier: MIT */
/*
 * Shared jumps, with servers that do what the test says: who shares with whom, who is told what, how
 * long a session and a failure live.
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
#include "tests/unit/fake_loop.h"
#include "tests/unit/jumps_fixture.h"

/* ---- the way to one ---- */

static void test_one_jump_is_reached_and_closed(void **state)
{
	struct traveller t = { 0 };

	join(*state, &t, 1, "a", JUMP_USUAL);
	assert_states(&t, "connecting");
	assert_null(jump_session(&t.user));
	comes_up("a");
	assert_non_null(jump_session(&t.user));
	assert_states(&t, "up");
	leave(&t);
	assert_null(living("a"));
	assert_true(jumps_are_gone(((struct stage *)*state)->jumps));
}

static void test_a_chain_is_reached_one_after_the_other(void **state)
{
	struct traveller t = { 0 };

	join(*state, &t, 1, "a b c", JUMP_USUAL);
	assert_int_equal(fake.starts, 1);
	assert_states(&t, "connecting waiting waiting");
	comes_up("a");
	assert_int_equal(fake.starts, 2);
	assert_non_null(living("b")->purpose.through);
	assert_int_equal(living("b")->purpose.hop, 1);
	comes_up("b");
	comes_up("c");
	assert_int_equal(fake.starts, 3);
	assert_states(&t, "up up up");
	assert_non_null(jump_session(&t.user));
	leave(&t);
	assert_int_equal(fake.count, 0);
}

static void test_a_user_is_told_of_every_step(void **state)
{
	struct traveller t = { 0 };
	unsigned told;

	join(*state, &t, 1, "a b", JUMP_USUAL);
	told = t.told;
	assert_true(told > 0);
	comes_up("a"); /* the state of b's user has changed, though b has not */
	assert_true(t.told > told);
	told = t.told;
	comes_up("b");
	assert_true(t.told > told);
	leave(&t);
}

/* ---- sharing ---- */

static void test_equal_settings_share(void **state)
{
	struct traveller t[3] = { 0 };

	for (uint64_t i = 0; i < 3; i++)
		join(*state, &t[i], i + 1, "a b", JUMP_USUAL);
	assert_int_equal(fake.starts, 1);
	comes_up("a");
	comes_up("b");
	assert_int_equal(fake.starts, 2);
	for (size_t i = 0; i < 3; i++)
		assert_ptr_equal(jump_session(&t[i].user), jump_session(&t[0].user));
	leave(&t[0]);
	leave(&t[2]);
	assert_non_null(living("a"));
	leave(&t[1]);
	assert_int_equal(fake.count, 0);
}

static void test_a_prefix_is_shared(void **state)
{
	struct traveller near = { 0 }, far = { 0 }, other = { 0 };

	join(*state, &near, 1, "a", JUMP_USUAL);
	join(*state, &far, 2, "a b", JUMP_USUAL);
	join(*state, &other, 3, "c b", JUMP_USUAL); /* another b: it is reached another way */
	comes_up("a");
	comes_up("c");
	assert_int_equal(living_count("a"), 1);
	assert_int_equal(living_count("b"), 2);
	leave(&near);
	assert_int_equal(living_count("a"), 1);
	leave(&far);
	assert_int_equal(living_count("a"), 0);
	leave(&other);
}

/* What counts handshakes must not take equal addresses behind different jumps for one server. */
static void test_the_way_is_part_of_a_name(void **state)
{
	struct traveller a = { 0 }, b = { 0 }, c = { 0 };

	join(*state, &a, 1, "berlin inner", JUMP_USUAL);
	join(*state, &b, 2, "paris inner", JUMP_USUAL);
	join(*state, &c, 3, "!berlin inner", JUMP_USUAL);
	assert_string_not_equal(jump_way(&a.user), jump_way(&b.user));
	assert_string_equal(jump_way(&a.user), jump_way(&c.user)); /* another session, one server */
	leave(&a);
	leave(&b);
	leave(&c);
}

static void test_share_no_gets_its_own(void **state)
{
	struct traveller t[2] = { 0 };

	join(*state, &t[0], 1, "!a", JUMP_USUAL);
	join(*state, &t[1], 2, "!a", JUMP_USUAL);
	assert_int_equal(living_count("a"), 2);
	leave(&t[0]);
	leave(&t[1]);
}

static void test_who_comes_back_in_the_same_turn_finds_it(void **state)
{
	struct traveller t = { 0 };

	join(*state, &t, 1, "a", JUMP_USUAL);
	comes_up("a");
	jump_leave(&t.user);
	join(*state, &t, 1, "a", JUMP_USUAL);
	assert_non_null(jump_session(&t.user));
	assert_int_equal(fake.starts, 1);
	leave(&t);
}

static void test_a_channel_keeps_it(void **state)
{
	struct traveller t = { 0 };
	struct jump_user channel = { 0 };

	join(*state, &t, 1, "a", JUMP_USUAL);
	comes_up("a");
	jump_share(&channel, &t.user);
	leave(&t);
	assert_non_null(living("a"));
	jump_leave(&channel);
	fake_loop_advance(fake.loop, 0);
	assert_null(living("a"));
}

static void test_last_words_are_passed_on(void **state)
{
	struct traveller t = { 0 };

	join(*state, &t, 1, "a", JUMP_USUAL);
	comes_up("a");
	fake.channels = 1;
	leave(&t);
	fake_loop_advance(fake.loop, 500);
	assert_non_null(living("a"));
	fake.channels = 0;
	fake_loop_advance(fake.loop, 20);
	assert_null(living("a"));
}

static void test_a_server_that_closes_no_channel_is_not_waited_for(void **state)
{
	struct traveller t = { 0 };

	join(*state, &t, 1, "a", JUMP_USUAL);
	comes_up("a");
	fake.channels = 1;
	leave(&t);
	fake_loop_advance(fake.loop, 1100);
	assert_null(living("a"));
}

/* ---- failures ---- */

static void test_everybody_hears_why(void **state)
{
	struct traveller t[2] = { 0 };

	join(*state, &t[0], 1, "a b", JUMP_USUAL);
	join(*state, &t[1], 2, "a b", JUMP_USUAL);
	comes_up("a");
	is_lost("b", ERR_HOST_KEY_CHANGED);
	for (size_t i = 0; i < 2; i++) {
		assert_failed(&t[i], 1, ERR_HOST_KEY_CHANGED);
		assert_states(&t[i], "up failed");
	}
	assert_non_null(
		living("a")); /* for as long as somebody looks at what has failed behind it */
	leave(&t[0]);
	leave(&t[1]);
	fake_loop_advance(fake.loop, 1000);
	assert_null(living("a"));
}

static void test_the_first_on_the_way_is_the_reason(void **state)
{
	struct traveller t = { 0 };

	join(*state, &t, 1, "a b", JUMP_USUAL);
	comes_up("a");
	comes_up("b");
	is_lost("a", ERR_LOST);
	assert_failed(&t, 0, ERR_LOST);
	assert_states(&t, "failed waiting");
	assert_null(living("b"));
	leave(&t);
}

/* Of the one that has failed, and not of those behind it or before. */
static void test_who_lacks_a_key(void **state)
{
	struct traveller t[2] = { 0 };

	join(*state, &t[0], 1, "a b", JUMP_USUAL);
	join(*state, &t[1], 2, "a c", JUMP_USUAL);
	comes_up("a");
	assert_false(jump_lacks_key(&t[0].user));
	living("b")->lacks_key = true;
	is_lost("b", ERR_AUTH);
	assert_true(jump_lacks_key(&t[0].user));
	is_lost("a", ERR_LOST);
	assert_false(jump_lacks_key(&t[0].user));
	assert_false(jump_lacks_key(&t[1].user));
	leave(&t[0]);
	leave(&t[1]);
}

static void test_one_behind_may_notice_first(void **state)
{
	struct traveller t = { 0 };
	struct hop *b;
	struct err err;

	join(*state, &t, 1, "a b", JUMP_USUAL);
	comes_up("a");
	comes_up("b");
	b = living("b");
	err_set(&err, ERR_LOST, "scripted");
	living("a")->ops->on_lost(living("a")->data, &err); /* b has not been told yet */
	err_set(&err, ERR_PROTOCOL, "the end of its stream");
	b->ops->on_lost(b->data, &err);
	fake_loop_advance(fake.loop, 0);
	assert_failed(&t, 0, ERR_LOST);
	leave(&t);
}

static void test_a_silent_jump_is_blamed(void **state)
{
	struct traveller t = { 0 };

	join(*state, &t, 1, "a b", JUMP_USUAL);
	comes_up("a");
	comes_up("b");
	jump_suspect(&t.user);
	assert_int_equal(fake.asked, 2);
	jump_blame(&t.user, 1000000);
	assert_fine(&t); /* all answer */
	fake.silent = "a";
	jump_blame(&t.user, 1000000);
	fake_loop_advance(fake.loop, 0);
	assert_failed(&t, 0, ERR_KEEPALIVE);
	leave(&t);
}

static void test_any_jump_on_the_way_may_be_in_question(void **state)
{
	struct traveller t = { 0 };

	join(*state, &t, 1, "a b", JUMP_USUAL);
	comes_up("a");
	comes_up("b");
	assert_false(jump_is_asked(&t.user, 1000000));
	fake.in_question = "a";
	assert_true(jump_is_asked(&t.user, 1000000));
	assert_false(jump_is_asked(NULL, 1000000));
	is_lost("a", ERR_LOST);
	assert_false(jump_is_asked(&t.user, 1000000)); /* there is a verdict */
	leave(&t);
}

static void test_a_failure_is_remembered_for_a_second(void **state)
{
	struct traveller first = { 0 }, second = { 0 }, third = { 0 };

	join(*state, &first, 1, "a", JUMP_USUAL);
	is_lost("a", ERR_REFUSED);
	leave(&first);
	fake_loop_advance(fake.loop, 900);
	join(*state, &second, 2, "a", JUMP_USUAL);
	assert_failed(&second, 0, ERR_REFUSED);
	assert_true(second.told > 0);
	assert_int_equal(fake.starts, 1);
	leave(&second);
	fake_loop_advance(fake.loop, 101);
	join(*state, &third, 3, "a", JUMP_USUAL);
	assert_fine(&third);
	assert_int_equal(fake.starts, 2);
	leave(&third);
}

static void test_behind_a_failure_too(void **state)
{
	struct traveller first = { 0 }, second = { 0 };

	join(*state, &first, 1, "a", JUMP_USUAL);
	is_lost("a", ERR_REFUSED);
	join(*state, &second, 2, "a b", JUMP_USUAL);
	assert_failed(&second, 0, ERR_REFUSED);
	assert_states(&second, "failed waiting");
	assert_int_equal(fake.starts, 1);
	leave(&first);
	leave(&second);
}

static void test_a_person_does_not_get_old_news(void **state)
{
	struct traveller first = { 0 }, person = { 0 }, next = { 0 };

	join(*state, &first, 1, "a", JUMP_USUAL);
	is_lost("a", ERR_REFUSED);
	join(*state, &person, 2, "a", JUMP_AFRESH);
	assert_fine(&person);
	assert_int_equal(fake.starts, 2);
	comes_up("a");
	assert_non_null(jump_session(&person.user));
	leave(&first);
	leave(&person);
	join(*state, &next, 3, "a", JUMP_AFRESH);
	assert_int_equal(fake.starts, 3);
	leave(&next);
}

static void test_a_session_that_was_up_is_tried_again_at_once(void **state)
{
	struct traveller t[2] = { 0 };

	join(*state, &t[0], 1, "a", JUMP_USUAL);
	comes_up("a");
	is_lost("a", ERR_LOST);
	join(*state, &t[1], 2, "a", JUMP_USUAL);
	assert_fine(&t[1]);
	assert_int_equal(fake.starts, 2);
	assert_failed(&t[0], 0, ERR_LOST);
	leave(&t[0]);
	leave(&t[1]);
}

/* ---- haste, many ---- */

static void test_a_waiting_client_hurries_all_of_them(void **state)
{
	struct traveller t = { 0 };

	join(*state, &t, 1, "a b", JUMP_URGENT);
	comes_up("a");
	assert_true(living("b")->pass.urgent);
	jump_hurry(&t.user);
	assert_true(fake.hurried >= 2);
	leave(&t);
}

static void test_who_leaves_is_not_told(void **state)
{
	struct traveller t = { 0 };
	struct hop *hop;
	unsigned told;

	join(*state, &t, 1, "a", JUMP_USUAL);
	told = t.told;
	hop = living("a");
	hop->state = HOP_VERIFYING;
	hop->ops->on_state(hop->data);
	leave(&t);
	assert_int_equal(t.told, told);
}

static void test_many_users_are_all_told(void **state)
{
	struct traveller t[200] = { 0 };

	for (uint64_t i = 0; i < ARRAY_SIZE(t); i++)
		join(*state, &t[i], i + 1, "a", JUMP_USUAL);
	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		t[i].told = 0;
	comes_up("a");
	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		assert_int_equal(t[i].told, 1);
	assert_int_equal(fake.starts, 1);
	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		leave(&t[i]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, jumps_setup, jumps_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_one_jump_is_reached_and_closed),
		TEST(test_a_chain_is_reached_one_after_the_other),
		TEST(test_a_user_is_told_of_every_step),
		TEST(test_equal_settings_share),
		TEST(test_a_prefix_is_shared),
		TEST(test_the_way_is_part_of_a_name),
		TEST(test_share_no_gets_its_own),
		TEST(test_who_comes_back_in_the_same_turn_finds_it),
		TEST(test_a_channel_keeps_it),
		TEST(test_last_words_are_passed_on),
		TEST(test_a_server_that_closes_no_channel_is_not_waited_for),
		TEST(test_everybody_hears_why),
		TEST(test_the_first_on_the_way_is_the_reason),
		TEST(test_who_lacks_a_key),
		TEST(test_one_behind_may_notice_first),
		TEST(test_a_silent_jump_is_blamed),
		TEST(test_any_jump_on_the_way_may_be_in_question),
		TEST(test_a_failure_is_remembered_for_a_second),
		TEST(test_behind_a_failure_too),
		TEST(test_a_person_does_not_get_old_news),
		TEST(test_a_session_that_was_up_is_tried_again_at_once),
		TEST(test_a_waiting_client_hurries_all_of_them),
		TEST(test_who_leaves_is_not_told),
		TEST(test_many_users_are_all_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
