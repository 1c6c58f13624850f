/* SPDX-License-Identifier: MIT */
/*
 * The machine of a tunnel whose server is behind jumps: what it waits for, whom it names, and how long
 * it keeps them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/worker/path.h"
#include "lib/util.h"
#include "tests/unit/tunnel_fixture.h"

#define WAY "jump>db"

static int setup(void **state)
{
	return tunnel_setup(state, WAY);
}

static struct tunnel *tunnel_of(void **state)
{
	return ((struct stage *)*state)->tunnel;
}

/* The jump is in another state. */
static void jump_changes(void)
{
	assert_non_null(heard.jump);
	heard.jump->ops->on_change(heard.jump->data);
	fake_loop_advance(the_loop, 0);
}

static void jump_comes_up(void)
{
	script.jump_is_up = true;
	jump_changes();
}

static void jump_fails(enum err_code code)
{
	script.jump_is_up = false;
	err_set(&script.jump_failure, code, "scripted");
	jump_changes();
}

static void progress(void)
{
	assert_non_null(script.living);
	script.living->ops->on_progress(script.living->data);
	fake_loop_advance(the_loop, 0);
}

static void come_up(void **state)
{
	tunnel_start(tunnel_of(state));
	jump_comes_up();
	progress();
	assert_int_equal(heard.last.state, TUNNEL_UP);
}

static void assert_says(const char *message)
{
	assert_string_equal(heard.last.error.msg, message);
}

/* ---- the way ---- */

static void test_the_server_waits_for_the_jump(void **state)
{
	tunnel_start(tunnel_of(state));
	fake_loop_advance(the_loop, 3600 * 1000); /* the jump's deadline is its own */
	assert_int_equal(heard.last.state, TUNNEL_CONNECTING);
	assert_int_equal(heard.joined, 1);
	assert_null(script.living);
	jump_comes_up();
	assert_int_equal(script.started, 1);
	assert_ptr_equal(script.living->purpose->through, heard.jump);
	assert_int_equal(script.living->purpose->tunnel, 7);
	assert_int_equal(script.living->purpose->hop, 1);
	progress();
	assert_int_equal(heard.last.state, TUNNEL_UP);
	assert_int_equal(heard.last.jump_count, 1);
	assert_int_equal(heard.jumps[0].state, HOP_UP);
}

static void test_the_deadline_begins_when_the_jump_is_up(void **state)
{
	tunnel_start(tunnel_of(state));
	fake_loop_advance(the_loop, 19000);
	script.answers[TUNNEL_CONNECTING] = STEP_WAIT;
	jump_comes_up();
	fake_loop_advance(the_loop, 14999);
	assert_int_equal(heard.last.state, TUNNEL_CONNECTING);
	fake_loop_advance(the_loop, 1);
	assert_int_equal(heard.last.error.code, ERR_TIMEOUT);
	assert_says("hop 2 of 2, me@db:22: no answer within 15.0 s from the SSH banner of "
		    "192.0.2.1:22");
}

static void test_a_jump_that_is_up_is_used_at_once(void **state)
{
	script.jump_is_up = true;
	tunnel_start(tunnel_of(state));
	fake_loop_advance(the_loop, 0);
	progress();
	assert_int_equal(heard.last.state, TUNNEL_UP);
}

/* ---- failures ---- */

static void test_who_is_named_is_named_once(void **state)
{
	static const struct {
		const char *text, *named;
	} cases[] = {
		{ "scripted", "hop 2 of 2, me@db:22: scripted" },
		{ "me@db:22 wants a password", "hop 2 of 2, me@db:22 wants a password" },
		{ "me@db:22: closed", "hop 2 of 2, me@db:22: closed" },
		{ "/key is locked, and me@db:22 would take it",
		  "hop 2 of 2, me@db:22: /key is locked, and the server would take it" },
		{ "before me@db:22", "hop 2 of 2, me@db:22: before the server" },
		/* others */
		{ "me@db:2222 is another", "hop 2 of 2, me@db:22: me@db:2222 is another" },
		{ "acme@db:22 too", "hop 2 of 2, me@db:22: acme@db:22 too" },
		{ "db:22 is no name", "hop 2 of 2, me@db:22: db:22 is no name" },
	};
	struct config_tunnel *spec = tunnel_spec("jump>db");
	struct path p = { .route = &spec->routes[0] };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err err;

		err_set(&err, ERR_PASSWORD, "%s", cases[i].text);
		path_name_hop(&p, 1, &err);
		assert_string_equal(err.msg, cases[i].named);
		assert_int_equal(err.code, ERR_PASSWORD);
	}
	config_tunnel_free(spec);
}

static void test_a_jump_that_fails_is_named(void **state)
{
	tunnel_start(tunnel_of(state));
	jump_fails(ERR_REFUSED);
	assert_int_equal(heard.last.state, TUNNEL_BACKOFF);
	assert_says("hop 1 of 2, me@jump:22: scripted");
	assert_null(script.living);
}

static void test_a_jump_that_only_a_person_can_mend(void **state)
{
	tunnel_start(tunnel_of(state));
	jump_fails(ERR_HOST_KEY_CHANGED);
	assert_int_equal(heard.last.state, TUNNEL_FAILED);
	assert_null(heard.jump);
	assert_int_equal(heard.jumps[0].state, HOP_FAILED);
	assert_int_equal(heard.jumps[0].error.code, ERR_HOST_KEY_CHANGED);
	assert_int_equal(heard.forward->told, TOLD_REFUSE);
}

static void test_a_lost_jump_ends_the_session(void **state)
{
	come_up(state);
	jump_fails(ERR_LOST);
	assert_int_equal(heard.last.state, TUNNEL_BACKOFF);
	assert_says("hop 1 of 2, me@jump:22: scripted");
	assert_int_equal(heard.forward->cut, 1);
	assert_null(script.living);
}

static void test_the_server_may_notice_first_that_the_jump_is_gone(void **state)
{
	struct err err;

	come_up(state);
	script.jump_is_up = false;
	err_set(&script.jump_failure, ERR_LOST, "the end of the jump");
	err_set(&err, ERR_PROTOCOL, "the end of the stream");
	script.living->ops->on_lost(script.living->data, &err);
	assert_says("hop 1 of 2, me@jump:22: the end of the jump");
}

static void test_silence_of_the_jump_is_not_the_servers(void **state)
{
	come_up(state);
	heard.keepalive->ops->on_ask(heard.keepalive->data);
	assert_true(heard.suspected > 0);
	script.jump_is_silent = true;
	heard.keepalive->ops->on_dead(heard.keepalive->data, 45000);
	assert_says("hop 1 of 2, me@jump:22: scripted silence");
	assert_int_equal(heard.last.error.code, ERR_KEEPALIVE);
}

static void test_silence_behind_a_jump_that_may_be_gone(void **state)
{
	come_up(state);
	assert_false(heard.keepalive->ops->may_wait(heard.keepalive->data));
	script.jump_is_in_question = true;
	assert_true(heard.keepalive->ops->may_wait(heard.keepalive->data));
}

static void test_silence_of_the_server(void **state)
{
	come_up(state);
	heard.keepalive->ops->on_dead(heard.keepalive->data, 45000);
	assert_memory_equal(heard.last.error.msg, "hop 2 of 2, me@db:22: nothing heard", 35);
}

/* ---- how long a jump is kept ---- */

static void test_it_is_kept_while_the_server_is_tried_again(void **state)
{
	script.answers[TUNNEL_CONNECTING] = STEP_FAIL;
	err_set(&script.why, ERR_REFUSED, "scripted");
	tunnel_start(tunnel_of(state));
	jump_comes_up();
	progress();
	assert_int_equal(heard.last.state, TUNNEL_BACKOFF);
	assert_says("hop 2 of 2, me@db:22: scripted");
	assert_non_null(heard.jump);
	assert_int_equal(heard.jumps[0].state, HOP_UP);
	script.answers[TUNNEL_CONNECTING] = STEP_NEXT;
	fake_loop_advance(the_loop, 60000);
	progress();
	assert_int_equal(heard.last.state, TUNNEL_UP);
	assert_int_equal(heard.joined, 1);
}

static void test_one_that_is_lost_meanwhile_is_joined_again(void **state)
{
	script.answers[TUNNEL_CONNECTING] = STEP_FAIL;
	err_set(&script.why, ERR_REFUSED, "scripted");
	tunnel_start(tunnel_of(state));
	jump_comes_up();
	progress();
	jump_fails(ERR_LOST); /* not what the tunnel waits for */
	assert_says("hop 2 of 2, me@db:22: scripted");
	script.jump_failure = (struct err){ 0 };
	script.answers[TUNNEL_CONNECTING] = STEP_NEXT;
	err_set(&script.jump_failure, ERR_LOST, "still the old one");
	fake_loop_advance(the_loop, 60000);
	assert_int_equal(heard.joined, 2);
}

static void test_it_is_left_when_the_tunnel_stops(void **state)
{
	come_up(state);
	tunnel_stop(tunnel_of(state));
	assert_null(heard.jump);
	assert_int_equal(heard.last.state, TUNNEL_STOPPED);
}

static void test_other_settings_are_another_way(void **state)
{
	struct config_tunnel *other = tunnel_spec(WAY);

	other->routes[0].hops[0].connection.port++;
	come_up(state);
	tunnel_set(tunnel_of(state), other, true);
	assert_int_equal(heard.joined, 2);
}

static void test_a_person_wants_no_old_news(void **state)
{
	tunnel_start(tunnel_of(state));
	assert_int_equal(heard.haste, JUMP_USUAL);
	jump_fails(ERR_HOST_KEY_CHANGED);
	script.jump_failure = (struct err){ 0 };
	tunnel_start(tunnel_of(state));
	assert_int_equal(heard.haste, JUMP_AFRESH);
	jump_fails(ERR_REFUSED);
	heard.forward->waiting = true;
	fake_loop_advance(the_loop, 60000);
	assert_int_equal(heard.haste, JUMP_URGENT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, tunnel_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_the_server_waits_for_the_jump),
		TEST(test_the_deadline_begins_when_the_jump_is_up),
		TEST(test_a_jump_that_is_up_is_used_at_once),
		TEST(test_who_is_named_is_named_once),
		TEST(test_a_jump_that_fails_is_named),
		TEST(test_a_jump_that_only_a_person_can_mend),
		TEST(test_a_lost_jump_ends_the_session),
		TEST(test_the_server_may_notice_first_that_the_jump_is_gone),
		TEST(test_silence_of_the_jump_is_not_the_servers),
		TEST(test_silence_behind_a_jump_that_may_be_gone),
		TEST(test_silence_of_the_server),
		TEST(test_it_is_kept_while_the_server_is_tried_again),
		TEST(test_one_that_is_lost_meanwhile_is_joined_again),
		TEST(test_it_is_left_when_the_tunnel_stops),
		TEST(test_other_settings_are_another_way),
		TEST(test_a_person_wants_no_old_news),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
