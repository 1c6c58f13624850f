/* SPDX-License-Identifier: MIT */
#include "tests/unit/jumps_fixture.h"

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

/* ---- servers that only remember ---- */

struct fake_hops fake;

static char me[] = "me";

struct hop *living(const char *host)
{
	struct hop *found = NULL;

	for (size_t i = 0; i < fake.count; i++) {
		if (strcmp(fake.living[i]->settings->host, host) == 0)
			found = fake.living[i];
	}
	return found;
}

unsigned living_count(const char *host)
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

bool hop_is_asked(const struct hop *hop, uint64_t since_ms)
{
	return fake.in_question && streq(hop->settings->host, fake.in_question);
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

static void on_change(void *data)
{
	struct traveller *t = data;

	t->told++;
}

static const struct jump_user_ops ops = { .on_change = on_change };

int jumps_setup(void **state)
{
	struct stage *stage = calloc(1, sizeof(*stage));

	memset(&fake, 0, sizeof(fake));
	fake.loop = fake_loop_new();
	stage->parts.loop = fake.loop;
	stage->jumps = jumps_new(&stage->parts);
	*state = stage;
	return 0;
}

int jumps_teardown(void **state)
{
	struct stage *stage = *state;

	jumps_free(stage->jumps);
	fake_loop_advance(fake.loop, 0);
	assert_int_equal(fake.count, 0);
	fake_loop_free(fake.loop);
	free(stage);
	return 0;
}

/* "a b c": the jumps in the order they are reached; "!a": a server that is not shared. */
void join(struct stage *stage, struct traveller *t, uint64_t id, const char *way,
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
	t->user =
		(struct jump_user){ .ops = &ops, .data = t, .tunnel = id, .route = t->user.route };
	assert_int_equal(jump_join(stage->jumps, &t->user, hops, count, haste, &err), 0);
	fake_loop_advance(fake.loop, 0);
}

void leave(struct traveller *t)
{
	jump_leave(&t->user);
	fake_loop_advance(fake.loop, 0);
}

void comes_up(const char *host)
{
	struct hop *hop = living(host);

	assert_non_null(hop);
	hop->state = HOP_UP;
	hop->ops->on_up(hop->data);
	fake_loop_advance(fake.loop, 0);
}

void is_lost(const char *host, enum err_code code)
{
	struct hop *hop = living(host);
	struct err err;

	assert_non_null(hop);
	err_set(&err, code, "scripted end of %s", host);
	hop->ops->on_lost(hop->data, &err);
	fake_loop_advance(fake.loop, 0);
}

void assert_failed(const struct traveller *t, size_t hop, enum err_code code)
{
	size_t index = 99;
	const struct err *why = jump_failure(&t->user, &index);

	assert_non_null(why);
	assert_int_equal(why->code, code);
	assert_int_equal(index, hop);
	assert_null(jump_session(&t->user));
}

void assert_fine(const struct traveller *t)
{
	size_t index;

	assert_null(jump_failure(&t->user, &index));
}

void assert_states(const struct traveller *t, const char *states)
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
