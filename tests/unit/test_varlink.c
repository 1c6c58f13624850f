/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/util.h"
#include "lib/varlink.h"

static void feed(struct varlink_reader *r, const char *bytes, size_t size)
{
	struct err err = { 0 };
	size_t room;

	while (size > 0) {
		char *to = varlink_reader_room(r, 1, &room, &err);
		size_t part = MIN(room, size);

		assert_non_null(to);
		memcpy(to, bytes, part);
		varlink_reader_commit(r, part);
		bytes += part;
		size -= part;
	}
}

static void test_split_at_every_byte(void **state)
{
	static const char wire[] = "{\"a\":1}\0{\"b\":\"\\u00e9\"}\0{}";

	for (size_t cut = 0; cut <= sizeof(wire); cut++) {
		struct varlink_reader r = { 0 };
		struct err err = { 0 };
		json_t *seen[3] = { 0 };
		size_t count = 0;

		feed(&r, wire, cut);
		while (varlink_reader_next(&r, &seen[count], &err) == 1)
			count++;
		feed(&r, wire + cut, sizeof(wire) - cut);
		while (varlink_reader_next(&r, &seen[count], &err) == 1)
			count++;
		assert_int_equal(err.code, ERR_NONE);
		assert_int_equal(count, 3);
		assert_int_equal(json_integer_value(json_object_get(seen[0], "a")), 1);
		assert_string_equal(json_string_value(json_object_get(seen[1], "b")), "é");
		for (size_t i = 0; i < count; i++)
			json_decref(seen[i]);
		varlink_reader_fini(&r);
	}
}

/* A reply and the first bytes of an upgraded connection may come in one read. */
static void test_what_follows_an_upgrade_is_kept(void **state)
{
	static const char wire[] = "{}\0SSH-2.0-x\r\n\0more";
	struct varlink_reader r = { 0 };
	struct err err = { 0 };
	json_t *message = NULL;
	const char *rest;
	size_t size;

	varlink_reader_rest(&r, &size);
	assert_int_equal(size, 0);
	feed(&r, wire, sizeof(wire) - 1);
	assert_int_equal(varlink_reader_next(&r, &message, &err), 1);
	rest = varlink_reader_rest(&r, &size);
	assert_int_equal(size, sizeof(wire) - 1 - 3);
	assert_memory_equal(rest, wire + 3, size);
	json_decref(message);
	varlink_reader_fini(&r);
}

static const struct {
	const char *text;
	enum err_code code;
} refused[] = {
	{ "", ERR_PROTOCOL },
	{ "{", ERR_PROTOCOL },
	{ "[]", ERR_PROTOCOL },
	{ "\"text\"", ERR_PROTOCOL },
	{ "{} {}", ERR_PROTOCOL },
	{ "{\"a\":1,\"a\":2}", ERR_PROTOCOL },
	{ "{\"a\":\"\xff\"}", ERR_PROTOCOL },
	{ "{\"a\":\"\\u0000\"}", ERR_PROTOCOL },
	{ "{\"a\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}", ERR_LIMIT },
};

static void test_refused_messages(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		struct varlink_reader r = { 0 };
		struct err err = { 0 };
		json_t *message = NULL;

		feed(&r, refused[i].text, strlen(refused[i].text) + 1);
		assert_int_equal(varlink_reader_next(&r, &message, &err), -1);
		assert_int_equal(err.code, refused[i].code);
		assert_true(err.msg[0] != '\0');
		assert_null(message);
		varlink_reader_fini(&r);
	}
}

/* Brackets in strings are no depth, and as many levels as allowed pass. */
static void test_depth(void **state)
{
	static const char wire[] =
		"{\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[[[\":"
		"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}";
	struct varlink_reader r = { 0 };
	struct err err = { 0 };
	json_t *message = NULL;

	feed(&r, wire, sizeof(wire));
	assert_int_equal(varlink_reader_next(&r, &message, &err), 1);
	json_decref(message);
	varlink_reader_fini(&r);
}

static void test_too_long(void **state)
{
	struct varlink_reader r = { 0 };
	struct err err = { 0 };
	char chunk[4096];
	size_t room, total = 0;
	json_t *message;

	memset(chunk, ' ', sizeof(chunk));
	while (total + sizeof(chunk) < VARLINK_MESSAGE_MAX) {
		feed(&r, chunk, sizeof(chunk));
		assert_int_equal(varlink_reader_next(&r, &message, &err), 0);
		total += sizeof(chunk);
	}
	feed(&r, chunk, VARLINK_MESSAGE_MAX - total);
	assert_null(varlink_reader_room(&r, 1, &room, &err));
	assert_int_equal(err.code, ERR_LIMIT);
	err_clear(&err);
	assert_int_equal(varlink_reader_next(&r, &message, &err), -1);
	assert_int_equal(err.code, ERR_LIMIT);
	varlink_reader_fini(&r);
}

/* The longest message that is allowed arrives, and its buffer is not kept. */
static void test_longest(void **state)
{
	struct varlink_reader r = { 0 };
	struct err err = { 0 };
	json_t *message = NULL;
	char *wire = malloc(VARLINK_MESSAGE_MAX);

	assert_non_null(wire);
	memset(wire, ' ', VARLINK_MESSAGE_MAX);
	memcpy(wire, "{}", 2);
	wire[VARLINK_MESSAGE_MAX - 1] = '\0';
	feed(&r, wire, VARLINK_MESSAGE_MAX);
	assert_int_equal(varlink_reader_next(&r, &message, &err), 1);
	assert_int_equal(r.capacity, 0);
	json_decref(message);
	free(wire);
	varlink_reader_fini(&r);
}

static json_t *parse(const char *text)
{
	json_t *message = json_loads(text, 0, NULL);

	assert_non_null(message);
	return message;
}

static void test_call(void **state)
{
	json_t *message = parse("{\"method\":\"io.x.Y\",\"parameters\":{\"n\":1},\"more\":true}");
	struct varlink_call call;
	struct err err = { 0 };

	assert_int_equal(varlink_call_parse(message, &call, &err), 0);
	assert_string_equal(call.method, "io.x.Y");
	assert_true(call.more && !call.oneway && !call.upgrade);
	assert_int_equal(json_integer_value(json_object_get(call.parameters, "n")), 1);
	json_decref(message);
}

static void test_bad_envelopes(void **state)
{
	static const char *const calls[] = {
		"{}",
		"{\"method\":\"\"}",
		"{\"method\":1}",
		"{\"method\":\"a.b\",\"parameters\":[]}",
		"{\"method\":\"a.b\",\"more\":1}",
		"{\"method\":\"a.b\",\"oneway\":\"yes\"}",
	};
	static const char *const replies[] = {
		"{\"error\":1}",
		"{\"error\":\"\"}",
		"{\"parameters\":7}",
		"{\"continues\":0}",
	};
	struct varlink_call call;
	struct varlink_reply reply;

	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		json_t *message = parse(calls[i]);
		struct err err = { 0 };

		assert_int_equal(varlink_call_parse(message, &call, &err), -1);
		assert_int_equal(err.code, ERR_PROTOCOL);
		json_decref(message);
	}
	for (size_t i = 0; i < ARRAY_SIZE(replies); i++) {
		json_t *message = parse(replies[i]);
		struct err err = { 0 };

		assert_int_equal(varlink_reply_parse(message, &reply, &err), -1);
		assert_int_equal(err.code, ERR_PROTOCOL);
		json_decref(message);
	}
}

static void assert_encodes(json_t *message, const char *expected)
{
	size_t size;
	char *text = varlink_encode(message, &size);

	assert_non_null(text);
	assert_string_equal(text, expected);
	assert_int_equal(size, strlen(expected) + 1);
	free(text);
}

static void test_builders(void **state)
{
	assert_encodes(varlink_call("a.B", NULL, false), "{\"method\":\"a.B\"}");
	assert_encodes(varlink_call("a.B", json_pack("{s:i}", "n", 1), true),
		       "{\"method\":\"a.B\",\"parameters\":{\"n\":1},\"more\":true}");
	assert_encodes(varlink_reply(NULL, false), "{}");
	assert_encodes(varlink_reply(json_pack("{s:f}", "rtt_ms", 12.3), true),
		       "{\"parameters\":{\"rtt_ms\":12.3},\"continues\":true}");
	assert_encodes(varlink_error("a.E", json_object()),
		       "{\"error\":\"a.E\",\"parameters\":{}}");
}

static void test_encode_refuses_what_is_too_long(void **state)
{
	size_t size = 1, length = VARLINK_MESSAGE_MAX;
	char *text = malloc(length);
	json_t *message;

	assert_non_null(text);
	memset(text, 'x', length);
	message = varlink_reply(json_pack("{s:s%}", "x", text, length), false);
	assert_non_null(message);
	assert_null(varlink_encode(message, &size));
	assert_int_equal(size, 0);
	assert_null(varlink_encode(NULL, &size));
	free(text);
}

static void test_reply(void **state)
{
	json_t *message = parse("{\"error\":\"io.x.No\",\"parameters\":null,\"continues\":false}");
	struct varlink_reply reply;
	struct err err = { 0 };

	assert_int_equal(varlink_reply_parse(message, &reply, &err), 0);
	assert_string_equal(reply.error, "io.x.No");
	assert_null(reply.parameters);
	assert_false(reply.continues);
	json_decref(message);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_split_at_every_byte),
		cmocka_unit_test(test_what_follows_an_upgrade_is_kept),
		cmocka_unit_test(test_refused_messages),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_longest),
		cmocka_unit_test(test_call),
		cmocka_unit_test(test_bad_envelopes),
		cmocka_unit_test(test_builders),
		cmocka_unit_test(test_encode_refuses_what_is_too_long),
		cmocka_unit_test(test_reply),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
