/* SPDX-License-Identifier: MIT */
/*
 * Waiting for an agent's keys, with an agent that says what the test wants: when it is asked, what
 * counts as other keys, and who hears of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/worker/agent.h"
#include "daemon/worker/agents.h"
#include "lib/str.h"
#include "lib/util.h"
#include "tests/unit/fake_loop.h"
#include "tests/unit/key_samples.h"

#define PATH "/run/agent"

static struct loop *loop;
static struct agents *agents;

/* ---- the agent ---- */

struct agent {
	void (*on_progress)(void *data);
	void *data;
};

static struct {
	struct agent agent;
	bool is_open;
	unsigned asked; /* how many times */
	enum step step;
	struct strbuf answer;
} fake;

struct agent *agent_new(struct loop *l, const char *path, void (*on_progress)(void *data),
			void *data, struct err *err)
{
	assert_false(fake.is_open);
	assert_string_equal(path, PATH);
	fake.is_open = true;
	fake.agent = (struct agent){ on_progress, data };
	return &fake.agent;
}

void agent_free(struct agent *a)
{
	if (a)
		fake.is_open = false;
}

void agent_ask_keys(struct agent *a, unsigned limit_ms)
{
	fake.asked++;
}

enum step agent_step(struct agent *a, struct err *err)
{
	if (fake.step == STEP_FAIL)
		err_set(err, ERR_AGENT, "scripted");
	return fake.step;
}

struct ssh_span agent_answer(const struct agent *a)
{
	return sample_span(&fake.answer);
}

/* A letter for each key. */
static void has(const char *keys)
{
	strbuf_fini(&fake.answer);
	fake.answer = (struct strbuf){ 0 };
	ssh_write_u8(&fake.answer, AGENT_IDENTITIES_ANSWER);
	ssh_write_u32(&fake.answer, (uint32_t)strlen(keys));
	for (; *keys; keys++) {
		struct strbuf key = { 0 };

		sample_key(&key, "ssh-ed25519", *keys);
		ssh_write_string(&fake.answer, sample_span(&key));
		ssh_write_string(&fake.answer, sample_text("comment"));
		strbuf_fini(&key);
	}
}

static void answers(enum step step)
{
	fake.step = step;
	assert_true(fake.is_open);
	fake.agent.on_progress(fake.agent.data);
}

/* It is time to ask, and this is what it says. */
static void says(const char *keys)
{
	unsigned before = fake.asked;

	fake_loop_advance(loop, 5000);
	assert_int_equal(fake.asked, before + 1);
	has(keys);
	answers(STEP_NEXT);
}

static void note(const char *keys)
{
	has(keys);
	agents_note(agents, PATH, sample_span(&fake.answer));
}

/* ---- who waits ---- */

static struct agent_watch watches[2];
static unsigned told[2];

static void on_change(void *data)
{
	++*(unsigned *)data;
}

static bool watch(size_t i, uint64_t since_ms)
{
	watches[i].on_change = on_change;
	watches[i].data = &told[i];
	return agents_watch(agents, &watches[i], PATH, since_ms);
}

static int set_up(void **state)
{
	loop = fake_loop_new();
	agents = agents_new(loop);
	assert_non_null(agents);
	memset(&fake, 0, sizeof(fake));
	memset(told, 0, sizeof(told));
	memset(watches, 0, sizeof(watches));
	return 0;
}

static int tear_down(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(watches); i++)
		agents_unwatch(&watches[i]);
	agents_free(agents);
	assert_false(fake.is_open);
	strbuf_fini(&fake.answer);
	fake_loop_free(loop);
	return 0;
}

/* ---- cases ---- */

static void test_a_key_is_added(void **state)
{
	note("");
	assert_false(watch(0, loop_now_ms(loop)));
	says("");
	says("");
	assert_int_equal(told[0], 0);
	says("a");
	assert_int_equal(told[0], 1);
	assert_null(watches[0].agent);
}

static void test_nobody_is_asked_when_nobody_waits(void **state)
{
	note("");
	fake_loop_advance(loop, 60000);
	watch(0, loop_now_ms(loop));
	agents_unwatch(&watches[0]);
	fake_loop_advance(loop, 60000);
	assert_int_equal(fake.asked, 0);
	watch(0, loop_now_ms(loop));
	says("a");
	fake_loop_advance(loop, 60000);
	assert_int_equal(fake.asked, 1);
}

static void test_it_goes_while_it_is_asked(void **state)
{
	note("");
	watch(0, loop_now_ms(loop));
	fake_loop_advance(loop, 5000);
	assert_true(fake.is_open);
	agents_unwatch(&watches[0]);
	assert_false(fake.is_open);
}

static void test_what_is_no_news(void **state)
{
	static const char *const same[] = { "ab", "ba", "" };

	note("ab");
	watch(0, loop_now_ms(loop));
	for (size_t i = 0; i < ARRAY_SIZE(same); i++)
		says(same[i]);
	assert_int_equal(told[0], 0);
	says("abc");
	assert_int_equal(told[0], 1);
}

static void test_it_is_started(void **state)
{
	agents_note(agents, PATH, (struct ssh_span){ 0 });
	watch(0, loop_now_ms(loop));
	fake_loop_advance(loop, 5000);
	answers(STEP_FAIL);
	assert_int_equal(told[0], 0);
	says("a");
	assert_int_equal(told[0], 1);
}

static void test_one_question_for_all(void **state)
{
	note("");
	watch(0, loop_now_ms(loop));
	watch(1, loop_now_ms(loop));
	says("a");
	assert_int_equal(told[0], 1);
	assert_int_equal(told[1], 1);
}

static void test_an_attempt_sees_it_first(void **state)
{
	note("");
	watch(0, loop_now_ms(loop));
	note("a");
	assert_int_equal(told[0], 1);
}

/* Between the look of an attempt and its failure. */
static void test_it_came_meanwhile(void **state)
{
	uint64_t started_ms;

	note("");
	fake_loop_advance(loop, 1000);
	started_ms = loop_now_ms(loop);
	fake_loop_advance(loop, 1000);
	note("a");
	assert_true(watch(0, started_ms));
	assert_null(watches[0].agent);
	fake_loop_advance(loop, 1000);
	assert_false(watch(0, loop_now_ms(loop)));
}

static void test_what_nobody_has_seen_is_learnt_first(void **state)
{
	watch(0, loop_now_ms(loop));
	says("a");
	assert_int_equal(told[0], 0);
	says("b");
	assert_int_equal(told[0], 1);
}

static void test_not_every_agent_is_remembered(void **state)
{
	char path[32];

	note("");
	watch(0, loop_now_ms(loop));
	for (int i = 0; i < 1000; i++) {
		snprintf(path, sizeof(path), "/run/agent.%d", i);
		agents_note(agents, path, sample_span(&fake.answer));
	}
	says("a"); /* this one is waited for */
	assert_int_equal(told[0], 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_key_is_added, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_nobody_is_asked_when_nobody_waits, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_it_goes_while_it_is_asked, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_what_is_no_news, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_it_is_started, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_one_question_for_all, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_an_attempt_sees_it_first, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_it_came_meanwhile, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_what_nobody_has_seen_is_learnt_first, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_not_every_agent_is_remembered, set_up,
						tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
