/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/common/packet.h"
#include "daemon/common/wire_question.h"
#include "lib/util.h"
#include "tests/unit/wire_samples.h"

static struct question sample(void)
{
	struct question q = { .kind = QUESTION_INTERACTIVE,
			      .route = 1,
			      .hop = 2,
			      .again = true,
			      .subject = "/keys/\xc3\xa4\n",
			      .name = "Two factors",
			      .instruction = "Look",
			      .prompt_count = 2 };

	strcpy(q.prompts[0].text, "Password: ");
	strcpy(q.prompts[1].text, "Code: ");
	q.prompts[1].echo = true;
	return q;
}

static void test_question_round_trip(void **state)
{
	struct question q = sample(), copy;
	json_t *m = transmit(wire_question(7, 9, &q));
	uint64_t call, tunnel;
	struct err err;

	assert_int_equal(wire_read_question(m, &call, &tunnel, &copy, &err), 0);
	assert_int_equal(call, 7);
	assert_int_equal(tunnel, 9);
	assert_memory_equal(&copy, &q, sizeof(q));
	assert_int_equal(question_answers(&copy), 2);
	copy.kind = QUESTION_PASSWORD;
	assert_int_equal(question_answers(&copy), 1);
	json_decref(m);
}

static void test_what_the_server_says_is_made_safe(void **state)
{
	struct question q = sample(), copy;
	uint64_t call, tunnel;
	json_t *m;

	memset(q.prompts[0].text, 0x1b, sizeof(q.prompts[0].text) - 1);
	strcpy(q.name, "\x1b[2J\r\n\xff");
	m = transmit(wire_question(1, 1, &q));
	assert_int_equal(wire_read_question(m, &call, &tunnel, &copy, NULL), 0);
	assert_string_equal(copy.name, "\\x1b[2J\\x0d\\n\\xff");
	assert_null(strchr(copy.prompts[0].text, 0x1b));
	assert_true(strlen(copy.prompts[0].text) < QUESTION_TEXT_MAX);
	json_decref(m);
}

/* However long and strange it is. */
static void test_any_question_fits_into_a_packet(void **state)
{
	struct question q = sample();
	CLEANUP(freep) char *text = NULL;
	json_t *m;

	q.prompt_count = QUESTION_PROMPTS_MAX;
	memset(q.name, '"', sizeof(q.name) - 1);
	memset(q.instruction, '\\', sizeof(q.instruction) - 1);
	memset(q.subject, 1, sizeof(q.subject) - 1);
	for (size_t i = 0; i < QUESTION_PROMPTS_MAX; i++)
		memset(q.prompts[i].text, 1, sizeof(q.prompts[i].text) - 1);
	m = wire_question(INT64_MAX, INT64_MAX, &q);
	text = json_dumps(m, JSON_COMPACT);
	assert_true(strlen(text) < PACKET_SIZE_MAX);
	json_decref(m);
}

/* With this value under this key, or without it, it is refused by a name. */
static void assert_bad_named(const char *key, json_t *value, const char *name)
{
	struct question q = sample();
	json_t *m = wire_question(7, 9, &q);
	uint64_t call, tunnel;
	struct err err;

	if (value)
		json_object_set_new(m, key, value);
	else
		json_object_del(m, key);
	assert_int_equal(wire_read_question(m, &call, &tunnel, &q, &err), -1);
	assert_int_equal(err.code, ERR_PROTOCOL);
	if (!strstr(err.msg, name))
		fail_msg("'%s' does not name '%s'", err.msg, name);
	json_decref(m);
}

static void assert_bad(const char *key, json_t *value)
{
	assert_bad_named(key, value, key);
}

static void test_bad_questions(void **state)
{
	static const char *const keys[] = { "call",  "tunnel",  "route", "hop",         "kind",
					    "again", "subject", "name",  "instruction", "prompts" };
	json_t *many = json_array();
	char subject[QUESTION_SUBJECT_MAX + 1];

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		assert_bad(keys[i], NULL);
		assert_bad(keys[i], json_null());
		assert_bad(keys[i], json_object());
	}
	assert_bad("kind", json_string("bribe"));
	assert_bad_named("prompts", json_pack("[s]", "text"), "text");
	assert_bad_named("prompts", json_pack("[{s:s}]", "text", "x"), "echo");
	memset(subject, 'x', sizeof(subject));
	assert_bad("subject", json_stringn(subject, QUESTION_SUBJECT_MAX));
	for (int i = 0; i <= QUESTION_PROMPTS_MAX; i++)
		json_array_append_new(many, json_pack("{s:s, s:b}", "text", "x", "echo", 1));
	assert_bad("prompts", many);
}

/* ---- answers ---- */

static void test_answers_round_trip(void **state)
{
	json_t *answers = json_pack("[s, s]", "open sesame", "");
	json_t *m = transmit(wire_answer(7, answers));
	struct wire_answers copy;
	uint64_t call;

	assert_int_equal(wire_read_answer(m, &call, &copy, NULL), 0);
	assert_int_equal(call, 7);
	assert_false(copy.nobody);
	assert_int_equal(copy.count, 2);
	assert_string_equal(copy.items[0].text, "open sesame");
	assert_string_equal(copy.items[1].text, "");
	wire_answers_fini(&copy);
	assert_int_equal(copy.count, 0);
	json_decref(answers);
	json_decref(m);
}

static void test_nobody(void **state)
{
	json_t *m = transmit(wire_answer(7, NULL));
	struct wire_answers copy;
	uint64_t call;

	assert_int_equal(wire_read_answer(m, &call, &copy, NULL), 0);
	assert_true(copy.nobody);
	assert_int_equal(copy.count, 0);
	json_decref(m);
}

static void test_answers_have_bounds(void **state)
{
	char text[SECRET_MAX + 2];
	json_t *longest, *longer, *many = json_array();

	memset(text, 'x', sizeof(text));
	longest = json_pack("[s#]", text, SECRET_MAX);
	longer = json_pack("[s#]", text, SECRET_MAX + 1);
	assert_true(wire_answers_fit(longest, 1));
	assert_false(wire_answers_fit(longest, 2));
	assert_false(wire_answers_fit(longest, 0));
	assert_false(wire_answers_fit(longer, 1));
	for (int i = 0; i <= QUESTION_PROMPTS_MAX; i++)
		json_array_append_new(many, json_string("x"));
	assert_false(wire_answers_fit(many, QUESTION_PROMPTS_MAX + 1));
	json_array_remove(many, 0);
	assert_true(wire_answers_fit(many, QUESTION_PROMPTS_MAX));
	json_decref(longest);
	json_decref(longer);
	json_decref(many);
}

static void test_bad_answers(void **state)
{
	static const char *const bad[] = { "{\"call\": 1}", "{\"call\": 1, \"answers\": \"x\"}",
					   "{\"call\": 1, \"answers\": [1]}",
					   "{\"call\": 1, \"answers\": [\"a\\u0000b\"]}",
					   "{\"answers\": null}" };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		json_t *m = json_loads(bad[i], JSON_ALLOW_NUL, NULL);
		struct wire_answers copy;
		struct err err;
		uint64_t call;

		assert_non_null(m);
		assert_int_equal(wire_read_answer(m, &call, &copy, &err), -1);
		assert_int_equal(err.code, ERR_PROTOCOL);
		assert_int_equal(copy.count, 0);
		json_decref(m);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_question_round_trip),
		cmocka_unit_test(test_what_the_server_says_is_made_safe),
		cmocka_unit_test(test_any_question_fits_into_a_packet),
		cmocka_unit_test(test_bad_questions),
		cmocka_unit_test(test_answers_round_trip),
		cmocka_unit_test(test_nobody),
		cmocka_unit_test(test_answers_have_bounds),
		cmocka_unit_test(test_bad_answers),
	};

	return cmocka_run_group_tests_name("wire_question", tests, NULL, NULL);
}
