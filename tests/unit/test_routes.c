/* SPDX-License-Identifier: MIT */
/*
 * Which server is next, as stories: "0- 1- wait 0+" is: the first is tried and fails, then the second,
 * then there is a pause, then the first one is connected.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/worker/routes.h"
#include "lib/util.h"

static void breaks(struct routes *r, size_t route, enum err_code code, const char *text)
{
	struct err why;

	err_set(&why, code, "%s", text);
	routes_failed(r, route, &why);
}

/* ---- stories ---- */

static const struct {
	enum prefer_mode prefer;
	size_t count;
	/* N- fails, N! fails and needs a person, N+ connects, N= and is stable, Nb is better, connected
	 * in the background, and taken; wait: a pause before the next round; failed: all need a person;
	 * ask: somebody asks for a fresh start. */
	const char *story;
} stories[] = {
	{ PREFER_FIRST, 1, "0- wait 0- wait 0= 0- wait 0+" },
	{ PREFER_FIRST, 1, "0! failed ask 0+" },
	{ PREFER_FIRST, 3, "0- 1- 2- wait 0- 1+" },
	/* Lost after a while: the best of the others at once. */
	{ PREFER_FIRST, 3, "0= 0- 1- 2- wait 0+" },
	{ PREFER_FIRST, 3, "0- 1- 2= 2- 0- 1- wait 0+" },
	/* Lost right after it was connected: each is still tried once before there is a pause. */
	{ PREFER_FIRST, 2, "0+ 0- 1+ 1- wait 0+ 0- 1+ 1- wait 0+" },
	{ PREFER_FIRST, 2, "0- 1+ 1- wait 0-" },
	/* A person is needed for one: it is left out. */
	{ PREFER_FIRST, 3, "0! 1- 2- wait 1- 2- wait 1+" },
	{ PREFER_FIRST, 3, "0- 1! 2- wait 0- 2- wait ask 0- 1- 2-" },
	{ PREFER_FIRST, 2, "0! 1= 1- wait 1+" },
	{ PREFER_FIRST, 2, "0! 1! failed" },
	{ PREFER_FIRST, 2, "0- 1! wait 0! failed ask 0+" },
	/* Back to a better one; when it breaks, on to the others. */
	{ PREFER_FIRST, 2, "0- 1= 0b 0- 1+" },
	{ PREFER_FIRST, 3, "0- 1- 2= 1b 1= 0b 0= 0- 1+" },
	/* Whichever worked last is the first of the next round, the others follow in turn. */
	{ PREFER_ANY, 1, "0- wait 0+" },
	{ PREFER_ANY, 3, "0- 1- 2- wait 0- 1+" },
	{ PREFER_ANY, 3, "0- 1+ 1- 2- wait 1- 2- 0- wait 1+" },
	{ PREFER_ANY, 3, "0- 1= 1- 2= 2- 0- 1- wait 2-" },
	{ PREFER_ANY, 3, "0! 1= 1- 2- wait 1- 2- wait 1+" },
	{ PREFER_ANY, 3, "0- 1= 1! 2- 0- wait 2- 0- wait ask 1+" },
	{ PREFER_ANY, 2, "0- 1! wait 0- wait 0! failed ask 0-" },
};

/* After a failure: somebody is next, or the story says what happens instead. */
static bool is_over;

static void play_route(struct routes *r, const char *word)
{
	size_t route = (size_t)(word[0] - '0');

	assert_false(is_over);
	if (word[1] == 'b') {
		size_t better = SIZE_MAX;

		assert_true(routes_find_better(r, route, &better));
		assert_int_equal(better, route);
		routes_connected(r, better);
		routes_go_back(r, better);
		return;
	}
	assert_int_equal(r->current, route);
	if (word[1] == '+' || word[1] == '=')
		routes_connected(r, route);
	if (word[1] == '=')
		routes_stable(r);
	if (word[1] == '-' || word[1] == '!') {
		breaks(r, route, word[1] == '!' ? ERR_HOST_KEY_CHANGED : ERR_REFUSED, "no");
		is_over = !routes_next(r);
	}
}

static void play(struct routes *r, const char *word)
{
	if (strcmp(word, "wait") == 0) {
		assert_true(is_over);
		assert_false(routes_are_closed(r));
	} else if (strcmp(word, "failed") == 0) {
		assert_true(is_over);
		assert_true(routes_are_closed(r));
		return;
	} else if (strcmp(word, "ask") == 0) {
		routes_forgive(r);
	} else {
		play_route(r, word);
		return;
	}
	is_over = false;
	routes_begin(r);
}

static void test_stories(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(stories); i++) {
		char text[256], *rest = text, *word;
		struct routes r;

		snprintf(text, sizeof(text), "%s", stories[i].story);
		print_message("%s\n", text);
		routes_init(&r, stories[i].count, stories[i].prefer);
		is_over = false;
		routes_begin(&r);
		while ((word = strsep(&rest, " ")))
			play(&r, word);
		routes_fini(&r);
	}
}

/* ---- better ones ---- */

static void test_only_what_is_better_and_open_is_looked_for(void **state)
{
	struct routes r;
	size_t route;

	routes_init(&r, 4, PREFER_FIRST);
	routes_begin(&r);
	assert_false(routes_find_better(&r, 0, &route));
	breaks(&r, 0, ERR_HOST_KEY_CHANGED, "no");
	assert_true(routes_next(&r));
	breaks(&r, 1, ERR_REFUSED, "no");
	assert_true(routes_next(&r));
	assert_int_equal(r.current, 2);
	routes_connected(&r, 2);
	routes_stable(&r);
	assert_true(routes_find_better(&r, 0, &route));
	assert_int_equal(route, 1);
	assert_false(routes_find_better(&r, 2, &route));
	routes_forgive(&r);
	assert_true(routes_find_better(&r, 0, &route));
	assert_int_equal(route, 0);
	r.prefer = PREFER_ANY;
	assert_false(routes_find_better(&r, 0, &route));
	routes_fini(&r);
}

/* To the first, which breaks early, and on to the second. */
static void relapse(struct routes *r)
{
	routes_go_back(r, 0);
	breaks(r, 0, ERR_LOST, "gone");
	assert_true(routes_next(r));
	routes_connected(r, r->current);
	routes_stable(r);
}

static void test_patience_grows_while_the_better_one_breaks_early(void **state)
{
	struct routes r;

	routes_init(&r, 2, PREFER_FIRST);
	routes_begin(&r);
	breaks(&r, 0, ERR_REFUSED, "no");
	assert_true(routes_next(&r));
	routes_connected(&r, 1);
	routes_stable(&r);
	assert_int_equal(routes_patience_ms(&r, 1000), 1000);
	relapse(&r);
	assert_int_equal(routes_patience_ms(&r, 1000), 2000);
	for (int i = 0; i < 20; i++)
		relapse(&r);
	assert_int_equal(routes_patience_ms(&r, 1000), 16000);
	assert_int_equal(routes_patience_ms(&r, UINT32_MAX), UINT32_MAX / 2);
	routes_go_back(&r, 0);
	routes_stable(&r); /* it is well again */
	assert_int_equal(routes_patience_ms(&r, 1000), 1000);
	breaks(&r, 0, ERR_LOST, "gone");
	assert_int_equal(routes_patience_ms(&r, 1000), 1000);
	routes_fini(&r);
}

/* ---- who has to act ---- */

static void test_a_refused_key_that_was_good_before(void **state)
{
	struct routes r;

	routes_init(&r, 2, PREFER_FIRST);
	routes_begin(&r);
	assert_true(routes_need_person(&r, 0, ERR_AUTH));
	routes_connected(&r, 0);
	assert_false(routes_need_person(&r, 0, ERR_AUTH));
	assert_true(routes_need_person(&r, 1, ERR_AUTH)); /* another server */
	assert_true(routes_need_person(&r, 0, ERR_HOST_KEY_CHANGED));
	assert_false(routes_need_person(&r, 0, ERR_REFUSED));
	routes_fini(&r);
}

/* ---- the reason ---- */

static const struct {
	enum err_code codes[3];
	bool was_known; /* the first of them */
	enum err_code code; /* of all */
} reasons[] = {
	{ { ERR_REFUSED, ERR_UNREACHABLE, ERR_TIMEOUT }, false, ERR_REFUSED },
	{ { ERR_HOST_KEY_CHANGED, ERR_REFUSED, ERR_TIMEOUT }, false, ERR_REFUSED },
	{ { ERR_HOST_KEY_CHANGED, ERR_AUTH, ERR_NO_IDENTITY }, false, ERR_HOST_KEY_CHANGED },
	/* The longest wait that one of them wants counts for all. */
	{ { ERR_REFUSED, ERR_PROTOCOL, ERR_TIMEOUT }, false, ERR_PROTOCOL },
	{ { ERR_AUTH, ERR_PROTOCOL, ERR_TIMEOUT }, true, ERR_AUTH },
	{ { ERR_AUTH, ERR_REFUSED, ERR_TIMEOUT }, false, ERR_REFUSED },
	{ { ERR_NONE, ERR_REFUSED, ERR_HOST_KEY_CHANGED }, false, ERR_REFUSED },
};

static void test_the_code_is_the_one_that_decides(void **state)
{
	struct err err;

	for (size_t i = 0; i < ARRAY_SIZE(reasons); i++) {
		struct routes r;

		routes_init(&r, 3, PREFER_FIRST);
		routes_begin(&r);
		if (reasons[i].was_known)
			routes_connected(&r, 0);
		for (size_t j = 0; j < 3; j++) {
			if (reasons[i].codes[j] != ERR_NONE)
				breaks(&r, j, reasons[i].codes[j], "no");
		}
		routes_explain(&r, &err);
		assert_int_equal(err.code, reasons[i].code);
		routes_fini(&r);
	}
}

static void test_every_server_is_named(void **state)
{
	struct routes r;
	struct err err;

	routes_init(&r, 3, PREFER_FIRST);
	routes_begin(&r);
	routes_explain(&r, &err);
	assert_string_equal(err.msg, "no server was tried");
	breaks(&r, 0, ERR_REFUSED, "a:22: refused");
	breaks(&r, 2, ERR_HOST_KEY_CHANGED, "c:22: another key");
	routes_explain(&r, &err);
	assert_string_equal(err.msg, "a:22: refused; c:22: another key");
	routes_connected(&r, 0);
	routes_explain(&r, &err);
	assert_string_equal(err.msg, "c:22: another key");
	routes_fini(&r);
}

/* What is short is whole; what is long shares the rest, and is not cut within a character. */
static void test_long_reasons_share_the_line(void **state)
{
	struct err err;
	char text[sizeof(err.msg)], *second;
	struct routes r;

	routes_init(&r, CONFIG_ROUTES_MAX, PREFER_FIRST);
	routes_begin(&r);
	for (size_t i = 0; i + 2 < sizeof(text); i += 2)
		memcpy(text + i, "ä", 3);
	breaks(&r, 0, ERR_REFUSED, text);
	breaks(&r, 1, ERR_REFUSED, "short");
	breaks(&r, 2, ERR_REFUSED, text);
	routes_explain(&r, &err);
	assert_in_range(strlen(err.msg), sizeof(err.msg) - 8, sizeof(err.msg) - 1);
	second = strstr(err.msg, "...; short; ä");
	assert_non_null(second);
	assert_in_range(second - err.msg, sizeof(err.msg) / 2 - 32, sizeof(err.msg) / 2 + 8);
	assert_string_equal(err.msg + strlen(err.msg) - 5, "ä...");
	for (size_t i = 0; i < CONFIG_ROUTES_MAX; i++)
		breaks(&r, i, ERR_REFUSED, text);
	routes_explain(&r, &err);
	assert_in_range(strlen(err.msg), sizeof(err.msg) - 40, sizeof(err.msg) - 1);
	routes_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stories),
		cmocka_unit_test(test_only_what_is_better_and_open_is_looked_for),
		cmocka_unit_test(test_patience_grows_while_the_better_one_breaks_early),
		cmocka_unit_test(test_a_refused_key_that_was_good_before),
		cmocka_unit_test(test_the_code_is_the_one_that_decides),
		cmocka_unit_test(test_every_server_is_named),
		cmocka_unit_test(test_long_reasons_share_the_line),
	};

	return cmocka_run_group_tests_name("routes", tests, NULL, NULL);
}
