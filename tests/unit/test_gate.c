/* SPDX-License-Identifier: MIT */
/*
 * Who may shake hands with a server, and when: the limit holds whatever passes do, also from within
 * their own admission, and nobody waits while there is room.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/worker/gate.h"
#include "lib/util.h"
#include "tests/unit/fake_loop.h"

struct guest {
	struct gate_pass pass;
	char name;
	bool leaves_at_once;
	struct guest *shows_out; /* somebody who leaves when this one is admitted */
	struct guest *brings; /* somebody who enters then */
};

static struct loop *loop;
static struct gate *gate;
static struct guest guests[8]; /* a, b, c, ... */
static char admitted[32]; /* names, in order */

static void enter(struct guest *g, const char *server, bool urgent);

static void on_admit(void *data)
{
	struct guest *g = data;
	size_t n = strlen(admitted);

	assert_true(n + 1 < sizeof(admitted));
	admitted[n] = g->name;
	if (g->shows_out)
		gate_leave(&g->shows_out->pass);
	if (g->brings)
		enter(g->brings, "other", false);
	if (g->leaves_at_once)
		gate_leave(&g->pass);
}

static void enter(struct guest *g, const char *server, bool urgent)
{
	assert_int_equal(gate_enter(gate, &g->pass, server, urgent, on_admit, g), 0);
}

static void enter_all(unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		enter(&guests[i], "host", false);
}

static void assert_admitted(const char *names)
{
	fake_loop_advance(loop, 0);
	assert_string_equal(admitted, names);
}

static int set_up(void **state)
{
	loop = fake_loop_new();
	gate = gate_new(loop, 2);
	assert_non_null(gate);
	memset(admitted, 0, sizeof(admitted));
	for (size_t i = 0; i < ARRAY_SIZE(guests); i++)
		guests[i] = (struct guest){ .name = (char)('a' + i) };
	return 0;
}

static int tear_down(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(guests); i++)
		gate_leave(&guests[i].pass);
	gate_free(gate);
	fake_loop_free(loop);
	return 0;
}

static void test_nobody_is_admitted_from_within_enter(void **state)
{
	enter(&guests[0], "host", false);
	assert_string_equal(admitted, "");
	assert_admitted("a");
}

static void test_the_limit_and_the_order(void **state)
{
	enter_all(5);
	assert_admitted("ab");
	gate_leave(&guests[1].pass);
	assert_admitted("abc");
	gate_leave(&guests[0].pass);
	gate_leave(&guests[2].pass);
	assert_admitted("abcde");
}

static void test_each_server_has_its_own_limit(void **state)
{
	enter_all(3);
	enter(&guests[3], "host:2222", false);
	enter(&guests[4], "elsewhere", false);
	assert_admitted("abde");
	gate_leave(&guests[3].pass);
	assert_admitted("abde"); /* no room at host came of it */
	gate_leave(&guests[0].pass);
	assert_admitted("abdec");
}

static void test_those_in_a_hurry_go_first(void **state)
{
	enter_all(4);
	enter(&guests[4], "host", true);
	gate_hurry(&guests[3].pass);
	gate_hurry(&guests[4].pass); /* who is urgent already keeps its place */
	assert_admitted("ed");
	gate_hurry(&guests[3].pass); /* who is inside already */
	gate_leave(&guests[3].pass);
	gate_leave(&guests[4].pass);
	assert_admitted("edab");
	gate_hurry(&guests[4].pass); /* who has left */
	assert_admitted("edab");
}

static void test_leaving_the_queue(void **state)
{
	enter_all(4);
	assert_admitted("ab");
	gate_leave(&guests[2].pass);
	gate_leave(&guests[2].pass); /* twice is fine */
	assert_admitted("ab");
	gate_leave(&guests[0].pass);
	assert_admitted("abd");
}

static void test_leaving_twice_makes_no_room(void **state)
{
	enter_all(5);
	assert_admitted("ab");
	gate_leave(&guests[0].pass);
	gate_leave(&guests[0].pass);
	assert_admitted("abc");
}

static void test_leaving_while_being_admitted(void **state)
{
	for (int i = 0; i < 4; i++)
		guests[i].leaves_at_once = true;
	enter_all(6);
	assert_admitted("abcdef");
}

static void test_throwing_out_others_while_being_admitted(void **state)
{
	guests[0].shows_out = &guests[1];
	guests[0].leaves_at_once = true;
	guests[2].shows_out = &guests[2];
	enter_all(4);
	assert_admitted("acd");
	gate_leave(&guests[3].pass); /* the server is forgotten */
	enter(&guests[4], "host", false);
	assert_admitted("acde");
}

/* A new server comes into being in the middle of the round over all servers. */
static void test_entering_while_being_admitted(void **state)
{
	guests[0].brings = &guests[5];
	guests[0].leaves_at_once = true;
	enter_all(1);
	assert_admitted("af");
}

static void test_the_limit_changes(void **state)
{
	enter_all(5);
	assert_admitted("ab");
	gate_set_limit(gate, 4);
	assert_admitted("abcd");
	gate_set_limit(gate, 1);
	for (int i = 0; i < 3; i++)
		gate_leave(&guests[i].pass);
	assert_admitted("abcd");
	gate_leave(&guests[3].pass);
	assert_admitted("abcde");
}

static void test_free_with_servers_remembered(void **state)
{
	enter(&guests[0], "host", false);
	enter(&guests[1], "elsewhere", false);
	assert_admitted("ab");
	gate_leave(&guests[0].pass); /* its server would be forgotten at the end of the turn */
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_nobody_is_admitted_from_within_enter),
		CASE(test_the_limit_and_the_order),
		CASE(test_each_server_has_its_own_limit),
		CASE(test_those_in_a_hurry_go_first),
		CASE(test_leaving_the_queue),
		CASE(test_leaving_twice_makes_no_room),
		CASE(test_leaving_while_being_admitted),
		CASE(test_throwing_out_others_while_being_admitted),
		CASE(test_entering_while_being_admitted),
		CASE(test_the_limit_changes),
		CASE(test_free_with_servers_remembered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
