/* SPDX-License-Identifier: MIT */
/*
 * In whose name a shared jump asks, whoever comes and goes: the supervisor looks up under tunnel, route
 * and hop what is wanted.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/jumps_fixture.h"

static void test_questions_are_asked_in_a_living_name(void **state)
{
	struct traveller first = { 0 }, second = { 0 };

	join(*state, &first, 7, "a b", JUMP_USUAL);
	join(*state, &second, 8, "a b", JUMP_USUAL);
	comes_up("a");
	assert_int_equal(living("a")->purpose.tunnel, 7);
	assert_int_equal(living("b")->purpose.tunnel, 7);
	leave(&first);
	assert_int_equal(living("a")->purpose.tunnel, 8);
	assert_int_equal(living("b")->purpose.tunnel, 8);
	leave(&second);
}

static void test_a_jump_that_has_not_begun_asks_in_a_living_name(void **state)
{
	struct traveller first = { 0 }, second = { .user = { .route = 2 } };

	join(*state, &first, 7, "a b c", JUMP_USUAL);
	join(*state, &second, 8, "a b c", JUMP_USUAL);
	leave(&first);
	assert_int_equal(living("a")->purpose.tunnel, 8);
	comes_up("a");
	comes_up("b");
	assert_int_equal(living("b")->purpose.tunnel, 8);
	assert_int_equal(living("c")->purpose.tunnel, 8);
	assert_int_equal(living("c")->purpose.route, 2);
	leave(&second);
}

/* Other settings: the jump is the same, the tunnel's routes are counted anew. */
static void test_who_comes_back_asks_for_its_new_route(void **state)
{
	struct traveller t = { .user = { .route = 1 } };

	join(*state, &t, 7, "a b", JUMP_USUAL);
	assert_int_equal(living("a")->purpose.route, 1);
	jump_leave(&t.user);
	t.user.route = 0;
	join(*state, &t, 7, "a b", JUMP_USUAL);
	assert_int_equal(fake.starts, 1);
	assert_int_equal(living("a")->purpose.route, 0);
	comes_up("a");
	assert_int_equal(living("b")->purpose.route, 0);
	leave(&t);
}

static void test_who_comes_next_asks_in_its_own_name(void **state)
{
	struct traveller first = { 0 }, second = { 0 };

	join(*state, &first, 7, "a", JUMP_USUAL);
	jump_leave(&first.user);
	join(*state, &second, 8, "a b", JUMP_USUAL);
	assert_int_equal(fake.starts, 1);
	assert_int_equal(living("a")->purpose.tunnel, 8);
	leave(&second);
}

/* Of two routes of a tunnel that lead through it, one is given up. */
static void test_the_route_that_stays_is_asked_for(void **state)
{
	struct traveller better = { 0 }, used = { .user = { .route = 1 } };

	join(*state, &used, 7, "a", JUMP_USUAL);
	join(*state, &better, 7, "a", JUMP_USUAL);
	leave(&better);
	assert_int_equal(living("a")->purpose.route, 1);
	leave(&used);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, jumps_setup, jumps_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_questions_are_asked_in_a_living_name),
		TEST(test_a_jump_that_has_not_begun_asks_in_a_living_name),
		TEST(test_who_comes_back_asks_for_its_new_route),
		TEST(test_who_comes_next_asks_in_its_own_name),
		TEST(test_the_route_that_stays_is_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
