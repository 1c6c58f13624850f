/* SPDX-License-Identifier: MIT */
/*
 * Doubts about passwords: each server has its own, they can be taken back, and there is a limit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "daemon/worker/doubts.h"

static void test_each_server_has_its_own(void **state)
{
	struct doubts d = { 0 };

	assert_int_equal(doubts_get(&d, "me@a:22"), 0);
	doubts_set(&d, "me@a:22", 1);
	doubts_set(&d, "me@b:22", 2);
	assert_int_equal(doubts_get(&d, "me@a:22"), 1);
	assert_int_equal(doubts_get(&d, "me@b:22"), 2);
	doubts_set(&d, "me@a:22", 0);
	doubts_set(&d, "me@c:22", 0);
	assert_int_equal(doubts_get(&d, "me@a:22"), 0);
	assert_int_equal(doubts_get(&d, "me@b:22"), 2);
	doubts_fini(&d);
	assert_int_equal(doubts_get(&d, "me@b:22"), 0);
}

static void test_the_oldest_make_room(void **state)
{
	struct doubts d = { 0 };
	char server[16];

	for (int i = 0; i <= DOUBTS_SERVERS_MAX; i++) {
		snprintf(server, sizeof(server), "me@%d:22", i);
		doubts_set(&d, server, 1);
	}
	assert_int_equal(doubts_get(&d, "me@0:22"), 0);
	assert_int_equal(doubts_get(&d, "me@1:22"), 1);
	assert_int_equal(doubts_get(&d, server), 1);
	doubts_fini(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_server_has_its_own),
		cmocka_unit_test(test_the_oldest_make_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
