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

#include "daemon/worker/hop.h"
#include "daemon/worker/jumps.h"
#include "lib/util.h"
#include "tests/unit/fake_loop.h"

/* ---- servers that only remember ---- */

#define HOPS_MAX 16

static struct {
	struct hop *living[HOPS_MAX]; /* started and not stopped, in the order of the starts */
	size_t count;
	unsigned starts; /* so far */
	unsigned hurried, asked;
	const char *silent; /* a host that does not answer */
	unsigned channels; /* through each of them */
} fake;

static struct loop *the_loop;
static char me[] = "me";

static struct hop *living(const char *host)
{
	struct hop *found = NULL;

	for (size_t i = 0; i < fake.count; i++) {
		if (strcmp(fake.living[i]->settings->host, host) == 0)
			found = fake.living[i];
	}
	return found;
}

static unsigned living_count(const char *host)
{
	unsigned count = 0;

	for (size_t i = 0; i < fake.count; i++)
		count += strcmp(fake.living[i]->settings->host, host) == 0;
	return count;
}

int hop_open(struct hop *hop, const struct worker_parts *parts, const struct hop_ops *ops,
	     void *data)
{
	*hop = (struct hop){ .parts = parts, .ops = ops, .data = data };
	return 0;
}

void hop_start(struct hop *hop, const struct connection_settings *settings,
	       const struct upkeep_settings *upkeep, const struct attempt_for *purpose, bool urgent)
{
	hop->settings = settings;
	hop->purpose = *purpose;
	hop->pass.urgent = urgent;
	hop->state = HOP_CONNECTING;
	assert_true(fake.count < HOPS_MAX);
	fake.living[fake.count++] = hop;
	fake.starts++;
}

void hop_stop(struct hop *hop)
{
	size_t kept = 0;

	for (size_t i = 0; i < fake.count; i++) {
		if (fake.living[i] != hop)
			fake.living[kept++] = fake.living[i];
	}
	fake.count = kept;
	hop->state = HOP_WAITING;
}

void hop_close(struct hop *hop)
{
	hop_stop(hop);
}

void hop_hurry(struct hop *hop)
{
	fake.hurried++;
}

void hop_ask(struct hop *hop)
{
	fake.asked++;
}

unsigned hop_silence_ms(const struct hop *hop, uint64_t since_ms)
{
	return fake.silent && streq(hop->settings->host, fake.silent) ? 45000 : 0;
}

int hop_silence_error(unsigned silence_ms, struct err *err)
{
	return err_set(err, ERR_KEEPALIVE, "silent for %u ms", silence_ms);
}

bool hop_is_started(const struct hop *hop)
{
	return living(hop->settings ? hop->settings->host : "") != NULL &&
	       hop->state != HOP_WAITING;
}

struct session *hop_session(const struct hop *hop)
{
	return hop->state == HOP_UP ? (struct session *)hop : NULL;
}

unsigned session_member_count(const struct session *s)
{
	return fake.channels;
}

/* ---- the stage ---- */

struct stage {
	struct worker_parts parts;
	struct jumps *jumps;
};

/* A tunnel, as far as its jumps are concerned. */
struct traveller {
	struct jump_user user;
	unsigned told;
};

static void on_change(void *data)
{
	struct traveller *t = data;

	t->told++;
}

static const struct jump_user_ops ops = { .on_change = on_change };

static int setup(void **state)
{
	struct stage *stage = calloc(1, sizeof(*stage));

	memset(&fake, 0, sizeof(fake));
	the_loop = fake_loop_new();
	stage->parts.loop = the_loop;
	stage->jumps = jumps_new(&stage->parts);
	*state = stage;
	return 0;
}

static int teardown(void **state)
{
	struct stage *stage = *state;

	jumps_free(stage->jumps);
	fake_loop_advance(the_loop, 0);
	assert_int_equal(fake.count, 0);
	fake_loop_free(the_loop);
	free(stage);
	return 0;
}

/* "a b c": the jumps in the order they are reached; "!a": a server that is not shared. */
static void join(struct stage *stage, struct traveller *t, uint64_t id, const char *way,
		 enum jump_haste haste)
{
	char text[64], *rest = text, *host;
	struct config_hop hops[8] = { 0 };
	size_t count = 0;
	struct err err;

	snprintf(text, sizeof(text), "%s", way);
	while ((host = strsep(&rest, " "))) {
		struct connection_settings *c = &hops[count++].connection;

		c->share = *host != '!';
		c->host = host + !c->share;
		c->user = me;
		c->port = 22;
	}
	t->user = (struct jump_user){ .ops = &ops, .data = t, .tunnel = id };
	assert_int_equal(jump_join(stage->jumps, &t->user, hops, count, haste, &err), 0);
	fake_loop_advance(the_loop, 0);
}

static void leave(struct traveller *t)
{
	jump_leave(&t->user);
	fake_loop_advance(the_loop, 0);
}

static void comes_up(const char *host)
{
	struct hop *hop = living(host);

	assert_non_null(hop);
	hop->state = HOP_UP;
	hop->ops->on_up(hop->data);
	fake_loop_advance(the_loop, 0);
}

static void is_lost(const char *host, enum err_code code)
{
	struct hop *hop = living(host);
	struct err err;

	assert_non_null(hop);
	err_set(&err, code, "scripted end of %s", host);
	hop->ops->on_lost(hop->data, &err);
	fake_loop_advance(the_loop, 0);
}

static void assert_failed(const struct traveller *t, size_t hop, enum err_code code)
{
	size_t index = 99;
	const struct err *why = jump_failure(&t->user, &index);

	assert_non_null(why);
	assert_int_equal(why->code, code);
	assert_int_equal(index, hop);
	assert_null(jump_session(&t->user));
}

static void assert_fine(const struct traveller *t)
{
	size_t index;

	assert_null(jump_failure(&t->user, &index));
}

static void assert_states(const struct traveller *t, const char *states)
{
	struct wire_hop hops[8];
	char text[128] = "";
	size_t count = jump_count(&t->user);

	jump_describe(&t->user, hops);
	for (size_t i = 0; i < count; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", i ? " " : "",
			 hop_state_name(hops[i].state));
	assert_string_equal(text, states);
}

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
	struct config_hop hop = { 0 };
	char a[] = "a";
	struct err err;

	join(*state, &t, 1, "a", JUMP_USUAL);
	comes_up("a");
	jump_leave(&t.user);
	hop.connection =
		(struct connection_settings){ .host = a, .user = me, .port = 22, .share = 1 };
	jump_join(((struct stage *)*state)->jumps, &t.user, &hop, 1, JUMP_USUAL, &err);
	assert_non_null(jump_session(&t.user));
	fake_loop_advance(the_loop, 0);
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
	fake_loop_advance(the_loop, 0);
	assert_null(living("a"));
}

static void test_last_words_are_passed_on(void **state)
{
	struct traveller t = { 0 };

	join(*state, &t, 1, "a", JUMP_USUAL);
	comes_up("a");
	fake.channels = 1;
	leave(&t);
	fake_loop_advance(the_loop, 500);
	assert_non_null(living("a"));
	fake.channels = 0;
	fake_loop_advance(the_loop, 20);
	assert_null(living("a"));
}

static void test_a_server_that_closes_no_channel_is_not_waited_for(void **state)
{
	struct traveller t = { 0 };

	join(*state, &t, 1, "a", JUMP_USUAL);
	comes_up("a");
	fake.channels = 1;
	leave(&t);
	fake_loop_advance(the_loop, 1100);
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
	fake_loop_advance(the_loop, 1000);
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
	fake_loop_advance(the_loop, 0);
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
	fake_loop_advance(the_loop, 0);
	assert_failed(&t, 0, ERR_KEEPALIVE);
	leave(&t);
}

static void test_a_failure_is_remembered_for_a_second(void **state)
{
	struct traveller first = { 0 }, second = { 0 }, third = { 0 };

	join(*state, &first, 1, "a", JUMP_USUAL);
	is_lost("a", ERR_REFUSED);
	leave(&first);
	fake_loop_advance(the_loop, 900);
	join(*state, &second, 2, "a", JUMP_USUAL);
	assert_failed(&second, 0, ERR_REFUSED);
	assert_true(second.told > 0);
	assert_int_equal(fake.starts, 1);
	leave(&second);
	fake_loop_advance(the_loop, 101);
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

/* ---- haste, questions, many ---- */

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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_one_jump_is_reached_and_closed),
		TEST(test_a_chain_is_reached_one_after_the_other),
		TEST(test_a_user_is_told_of_every_step),
		TEST(test_equal_settings_share),
		TEST(test_a_prefix_is_shared),
		TEST(test_share_no_gets_its_own),
		TEST(test_who_comes_back_in_the_same_turn_finds_it),
		TEST(test_a_channel_keeps_it),
		TEST(test_last_words_are_passed_on),
		TEST(test_a_server_that_closes_no_channel_is_not_waited_for),
		TEST(test_everybody_hears_why),
		TEST(test_the_first_on_the_way_is_the_reason),
		TEST(test_one_behind_may_notice_first),
		TEST(test_a_silent_jump_is_blamed),
		TEST(test_a_failure_is_remembered_for_a_second),
		TEST(test_behind_a_failure_too),
		TEST(test_a_person_does_not_get_old_news),
		TEST(test_a_session_that_was_up_is_tried_again_at_once),
		TEST(test_a_waiting_client_hurries_all_of_them),
		TEST(test_questions_are_asked_in_a_living_name),
		TEST(test_who_leaves_is_not_told),
		TEST(test_many_users_are_all_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
