/* SPDX-License-Identifier: MIT */
/*
 * A tunnel that lacks a key, on a clock the test moves: which failures wait for the agent, what is
 * tried when it has another key, and what is not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/agent_protocol.h"
#include "lib/str.h"
#include "lib/util.h"
#include "tests/unit/key_samples.h"
#include "tests/unit/tunnel_fixture.h"

#define SOCKET "/nonexistent/agent"
#define OTHER_SOCKET "/nonexistent/other"

enum { A, B };

/* ---- the stage ---- */

/* What an attempt would have seen: a letter for each key. */
static void agent_at(struct stage *stage, const char *path, const char *keys)
{
	struct strbuf answer = { 0 };

	ssh_write_u8(&answer, AGENT_IDENTITIES_ANSWER);
	ssh_write_u32(&answer, (uint32_t)strlen(keys));
	for (; *keys; keys++) {
		struct strbuf key = { 0 };

		sample_key(&key, "ssh-ed25519", *keys);
		ssh_write_string(&answer, sample_span(&key));
		ssh_write_string(&answer, sample_text(""));
		strbuf_fini(&key);
	}
	agents_note(stage->parts.agents, path, sample_span(&answer));
	strbuf_fini(&answer);
}

static void agent_has(struct stage *stage, const char *keys)
{
	agent_at(stage, SOCKET, keys);
}

static void breaks(unsigned route, enum err_code code)
{
	script.fails[route] = true;
	err_set(&script.why_route[route], code, "scripted");
}

static void progress(unsigned route)
{
	assert_non_null(script.to[route]);
	script.to[route]->ops->on_progress(script.to[route]->data);
	fake_loop_advance(the_loop, 0);
}

/* Tried once, and refused. */
static void refuse(struct stage *stage, enum err_code code, enum tunnel_state state)
{
	agent_has(stage, "");
	breaks(A, code);
	tunnel_start(stage->tunnel);
	fake_loop_advance(the_loop, 0);
	progress(A);
	assert_int_equal(heard.last.state, state);
	assert_int_equal(heard.last.error.code, code);
	assert_int_equal(script.started, 1);
}

static void works_until(struct stage *stage, const char *keys, enum tunnel_state state)
{
	script.fails[A] = false;
	agent_has(stage, keys);
	fake_loop_advance(the_loop, 11000);
	assert_int_equal(script.started, 2);
	progress(A);
	assert_int_equal(heard.last.state, state);
}

static void works_with(struct stage *stage, const char *keys)
{
	works_until(stage, keys, TUNNEL_UP);
}

static int set_up_servers(void **state, const char *routes)
{
	int rc;

	setenv("SSH_AUTH_SOCK", SOCKET, 1);
	rc = tunnel_setup(state, routes);
	script.lacks_key[A] = script.lacks_key[B] = true;
	return rc;
}

static int set_up(void **state)
{
	return set_up_servers(state, "a.example");
}

static int set_up_two(void **state)
{
	return set_up_servers(state, "a.example b.example");
}

static int set_up_jump(void **state)
{
	return set_up_servers(state, "jump>a.example");
}

static int tear_down(void **state)
{
	unsetenv("SSH_AUTH_SOCK");
	return tunnel_teardown(state);
}

/* ---- cases ---- */

/* Nobody asks for the server meanwhile more than seldom. */
static void test_an_agent_without_a_key(void **state)
{
	refuse(*state, ERR_AGENT_LACKS, TUNNEL_BACKOFF);
	assert_true(heard.last.retry_at_ms >= loop_now_ms(the_loop) + 30000);
	fake_loop_advance(the_loop, 20000);
	assert_int_equal(script.started, 1);
	works_with(*state, "a");
}

static void test_a_locked_key(void **state)
{
	refuse(*state, ERR_PASSPHRASE, TUNNEL_FAILED);
	fake_loop_advance(the_loop, 3600000);
	assert_int_equal(script.started, 1);
	works_with(*state, "a");
}

static void test_the_wrong_key(void **state)
{
	struct stage *stage = *state;

	refuse(stage, ERR_AUTH, TUNNEL_FAILED);
	works_with(stage, "a");
}

/* With files for identities, the agent has nothing to say in this. */
static void test_a_file_that_is_refused(void **state)
{
	struct stage *stage = *state;

	script.lacks_key[A] = false;
	refuse(stage, ERR_AUTH, TUNNEL_FAILED);
	agent_has(stage, "a");
	fake_loop_advance(the_loop, 3600000);
	assert_int_equal(script.started, 1);
}

static void test_a_host_key_is_for_a_person(void **state)
{
	struct stage *stage = *state;

	script.lacks_key[A] = false;
	refuse(stage, ERR_HOST_KEY_CHANGED, TUNNEL_FAILED);
	agent_has(stage, "a");
	fake_loop_advance(the_loop, 3600000);
	assert_int_equal(script.started, 1);
}

/* Two keys are added one after the other: the server is asked about the second one too, but is not
 * knocked at once a second. */
static void test_the_second_key_is_the_right_one(void **state)
{
	struct stage *stage = *state;

	refuse(stage, ERR_AUTH, TUNNEL_FAILED);
	fake_loop_advance(the_loop, 60000);
	agent_has(stage, "a");
	fake_loop_advance(the_loop, 1000);
	assert_int_equal(script.started, 2);
	progress(A);
	assert_int_equal(heard.last.state, TUNNEL_FAILED);
	script.fails[A] = false;
	agent_has(stage, "ab");
	fake_loop_advance(the_loop, 8000);
	assert_int_equal(script.started, 2);
	fake_loop_advance(the_loop, 3000);
	assert_int_equal(script.started, 3);
	progress(A);
	assert_int_equal(heard.last.state, TUNNEL_UP);
}

static void test_a_tunnel_that_is_stopped_waits_for_nothing(void **state)
{
	struct stage *stage = *state;

	refuse(stage, ERR_PASSPHRASE, TUNNEL_FAILED);
	tunnel_stop(stage->tunnel);
	agent_has(stage, "a");
	fake_loop_advance(the_loop, 3600000);
	assert_int_equal(script.started, 1);
	assert_int_equal(heard.last.state, TUNNEL_STOPPED);
}

/* It comes while another server of the round is tried. */
static void test_it_comes_in_the_middle_of_a_round(void **state)
{
	struct stage *stage = *state;

	agent_has(stage, "");
	breaks(A, ERR_PASSPHRASE);
	breaks(B, ERR_HOST_KEY_CHANGED);
	script.lacks_key[B] = false;
	tunnel_start(stage->tunnel);
	fake_loop_advance(the_loop, 0);
	progress(A);
	assert_int_equal(heard.last.state, TUNNEL_CONNECTING);
	agent_has(stage, "a");
	script.fails[A] = false;
	progress(B);
	assert_int_equal(heard.last.state, TUNNEL_FAILED);
	fake_loop_advance(the_loop, 11000);
	progress(A);
	assert_int_equal(heard.last.state, TUNNEL_UP);
	assert_int_equal(heard.last.route, A);
	assert_null(script.to[B]); /* is left to a person */
}

/* Another server carries the tunnel: the better one is tried in the background. */
static void test_a_better_server_lacks_a_key(void **state)
{
	struct stage *stage = *state;

	agent_has(stage, "");
	breaks(A, ERR_PASSPHRASE);
	tunnel_start(stage->tunnel);
	fake_loop_advance(the_loop, 0);
	progress(A);
	progress(B);
	assert_int_equal(heard.last.state, TUNNEL_UP);
	assert_int_equal(heard.last.route, B);
	script.fails[A] = false;
	agent_has(stage, "a");
	fake_loop_advance(the_loop, 11000);
	progress(A);
	assert_int_equal(heard.last.route, A);
	assert_int_equal(heard.last.state, TUNNEL_UP);
}

/* It is the jump's agent that counts, when the jump is what failed. */
static void test_a_jump_lacks_a_key(void **state)
{
	struct stage *stage = *state;

	agent_has(stage, "");
	tunnel_start(stage->tunnel);
	err_set(&script.jump_failure, ERR_AUTH, "scripted");
	heard.jump->ops->on_change(heard.jump->data);
	assert_int_equal(heard.last.state, TUNNEL_FAILED);
	assert_int_equal(heard.joined, 1);
	agent_has(stage, "a");
	script.jump_failure = (struct err){ 0 };
	fake_loop_advance(the_loop, 11000);
	assert_int_equal(heard.joined, 2);
	assert_int_equal(heard.haste, JUMP_AFRESH);
}

/* The session is there, and it is a forward that ends it: what failed before does not count. */
static void test_a_session_that_ends_lacks_nothing(void **state)
{
	struct stage *stage = *state;
	struct config_tunnel *spec = tunnel_spec("a.example");
	struct err why;

	spec->upkeep.exit_on_forward_failure = true;
	tunnel_set(stage->tunnel, spec, true);
	refuse(stage, ERR_AGENT_LACKS, TUNNEL_BACKOFF);
	heard.forward->opening = true;
	works_until(stage, "a", TUNNEL_OPENING);
	script.lacks_key[A] = false;
	err_set(&why, ERR_UNSUPPORTED, "scripted");
	forward_changes(heard.forward, &why);
	fake_loop_advance(the_loop, 0);
	assert_int_equal(heard.last.state, TUNNEL_FAILED);
	agent_has(stage, "ab");
	fake_loop_advance(the_loop, 3600000);
	assert_int_equal(script.started, 2);
}

/* The second server has an agent of its own. */
static void two_agents(struct stage *stage)
{
	struct config_tunnel *spec = tunnel_spec("a.example b.example");

	spec->routes[B].hops[0].connection.identity_agent = strdup(OTHER_SOCKET);
	tunnel_set(stage->tunnel, spec, true);
	agent_at(stage, SOCKET, "");
	agent_at(stage, OTHER_SOCKET, "");
}

static void test_each_server_has_its_own_agent(void **state)
{
	struct stage *stage = *state;

	two_agents(stage);
	breaks(A, ERR_PASSPHRASE);
	breaks(B, ERR_PASSPHRASE);
	tunnel_start(stage->tunnel);
	fake_loop_advance(the_loop, 0);
	progress(A);
	progress(B);
	assert_int_equal(heard.last.state, TUNNEL_FAILED);
	script.fails[B] = false;
	agent_at(stage, OTHER_SOCKET, "b");
	fake_loop_advance(the_loop, 11000);
	assert_int_equal(script.started, 3);
	assert_null(script.to[A]); /* its agent has nothing else */
	progress(B);
	assert_int_equal(heard.last.state, TUNNEL_UP);
	assert_int_equal(heard.last.route, B);
	script.fails[A] = false;
	agent_at(stage, SOCKET, "a");
	fake_loop_advance(the_loop, 11000);
	progress(A);
	assert_int_equal(heard.last.route, A);
}

/* Rounds go by, in which only the other server is tried. */
static void test_it_is_waited_for_over_rounds(void **state)
{
	struct stage *stage = *state;

	agent_has(stage, "");
	breaks(A, ERR_PASSPHRASE);
	breaks(B, ERR_REFUSED);
	script.lacks_key[B] = false;
	tunnel_start(stage->tunnel);
	fake_loop_advance(the_loop, 0);
	progress(A);
	for (int i = 0; i < 3; i++) {
		progress(B);
		assert_int_equal(heard.last.state, TUNNEL_BACKOFF);
		for (int ms = 0; ms < 60000 && !script.to[B]; ms += 100)
			fake_loop_advance(the_loop, 100);
		assert_null(script.to[A]);
	}
	agent_has(stage, "a");
	script.fails[A] = false;
	progress(B);
	fake_loop_advance(the_loop, 11000);
	progress(A);
	assert_int_equal(heard.last.state, TUNNEL_UP);
	assert_int_equal(heard.last.route, A);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_an_agent_without_a_key),
		TEST(test_a_locked_key),
		TEST(test_the_wrong_key),
		TEST(test_a_file_that_is_refused),
		TEST(test_a_host_key_is_for_a_person),
		TEST(test_the_second_key_is_the_right_one),
		TEST(test_a_tunnel_that_is_stopped_waits_for_nothing),
		cmocka_unit_test_setup_teardown(test_it_comes_in_the_middle_of_a_round, set_up_two,
						tear_down),
		cmocka_unit_test_setup_teardown(test_a_better_server_lacks_a_key, set_up_two,
						tear_down),
		cmocka_unit_test_setup_teardown(test_a_jump_lacks_a_key, set_up_jump, tear_down),
		TEST(test_a_session_that_ends_lacks_nothing),
		cmocka_unit_test_setup_teardown(test_each_server_has_its_own_agent, set_up_two,
						tear_down),
		cmocka_unit_test_setup_teardown(test_it_is_waited_for_over_rounds, set_up_two,
						tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
