/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/agent_protocol.h"
#include "lib/util.h"
#include "tests/unit/key_samples.h"

static struct strbuf bytes;
static struct agent_keys keys;
static struct err err;

static int forget(void **state)
{
	strbuf_fini(&bytes);
	agent_keys_fini(&keys);
	return 0;
}

static void begin(uint8_t type)
{
	forget(NULL);
	ssh_write_u8(&bytes, type);
}

static void add_key(const char *blob, const char *comment)
{
	ssh_write_string(&bytes, sample_text(blob));
	ssh_write_string(&bytes, sample_text(comment));
}

static void refused(int rc, const char *says)
{
	assert_int_equal(rc, -1);
	assert_int_equal(err.code, ERR_AGENT);
	if (!strstr(err.msg, says))
		fail_msg("no '%s' in: %s", says, err.msg);
}

static void test_messages_in_pieces(void **state)
{
	static const unsigned char message[] = { 0, 0, 0, 2, 12, 7, 0, 0 };
	struct ssh_span body = { 0 };

	for (size_t size = 0; size < 6; size++)
		assert_int_equal(
			agent_next_message((struct ssh_span){ message, size }, &body, &err), 0);
	assert_int_equal(agent_next_message((struct ssh_span){ message, 8 }, &body, &err), 1);
	assert_ptr_equal(body.data, message + 4);
	assert_int_equal(body.size, 2);
}

static const struct {
	unsigned char length[4];
	int rc;
} lengths[] = {
	{ { 0, 0, 0, 0 }, -1 },         { { 0, 4, 0, 0 }, 0 },          { { 0, 4, 0, 1 }, -1 },
	{ { 'H', 'T', 'T', 'P' }, -1 }, { { 255, 255, 255, 255 }, -1 },
};

static void test_lengths(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		struct ssh_span body;
		int rc = agent_next_message((struct ssh_span){ lengths[i].length, 4 }, &body, &err);

		assert_int_equal(rc, lengths[i].rc);
		if (rc < 0)
			refused(rc, "is that an SSH agent?");
	}
}

static void test_a_list(void **state)
{
	begin(AGENT_IDENTITIES_ANSWER);
	ssh_write_u32(&bytes, 3);
	add_key("first", "one");
	add_key("", "no key at all");
	add_key("second", "");
	assert_int_equal(agent_keys_parse(&keys, sample_span(&bytes), &err), 0);
	assert_int_equal(keys.count, 2);
	assert_true(ssh_span_is(keys.items[0].blob, "first"));
	assert_true(ssh_span_is(keys.items[0].comment, "one"));
	assert_true(ssh_span_is(keys.items[1].blob, "second"));
	assert_true(ssh_span_is(keys.items[1].comment, ""));
}

static void test_an_empty_list(void **state)
{
	begin(AGENT_IDENTITIES_ANSWER);
	ssh_write_u32(&bytes, 0);
	assert_int_equal(agent_keys_parse(&keys, sample_span(&bytes), &err), 0);
	assert_int_equal(keys.count, 0);
}

static void test_more_keys_than_are_looked_at(void **state)
{
	begin(AGENT_IDENTITIES_ANSWER);
	ssh_write_u32(&bytes, AGENT_KEYS_MAX + 5);
	for (int i = 0; i < AGENT_KEYS_MAX + 5; i++)
		add_key("k", "");
	assert_int_equal(agent_keys_parse(&keys, sample_span(&bytes), &err), 0);
	assert_int_equal(keys.count, AGENT_KEYS_MAX);
}

static void test_a_key_too_large(void **state)
{
	CLEANUP(freep) char *large = calloc(1, AGENT_BLOB_MAX + 2);

	memset(large, 'x', AGENT_BLOB_MAX + 1);
	begin(AGENT_IDENTITIES_ANSWER);
	ssh_write_u32(&bytes, 2);
	add_key(large, "");
	add_key("small", "");
	assert_int_equal(agent_keys_parse(&keys, sample_span(&bytes), &err), 0);
	assert_int_equal(keys.count, 1);
	assert_true(ssh_span_is(keys.items[0].blob, "small"));
}

static void test_lists_that_are_none(void **state)
{
	static const uint8_t failures[] = { AGENT_FAILURE, AGENT_FAILURE_SSH2, AGENT_FAILURE_COM };

	for (size_t i = 0; i < ARRAY_SIZE(failures); i++) {
		begin(failures[i]);
		refused(agent_keys_parse(&keys, sample_span(&bytes), &err), "does not tell");
	}
	begin(AGENT_SIGN_RESPONSE);
	refused(agent_keys_parse(&keys, sample_span(&bytes), &err), "type 14 instead of 12");
	begin(AGENT_IDENTITIES_ANSWER);
	refused(agent_keys_parse(&keys, sample_span(&bytes), &err), "not well-formed");
	begin(AGENT_IDENTITIES_ANSWER);
	ssh_write_u32(&bytes, UINT32_MAX); /* a claim that is not believed */
	add_key("k", "");
	refused(agent_keys_parse(&keys, sample_span(&bytes), &err), "not well-formed");
	begin(AGENT_IDENTITIES_ANSWER);
	ssh_write_u32(&bytes, 2);
	add_key("k", "that is only one, and a long comment");
	refused(agent_keys_parse(&keys, sample_span(&bytes), &err), "not well-formed");
	assert_null(keys.items);
	refused(agent_keys_parse(&keys, (struct ssh_span){ NULL, 0 }, &err), "instead of");
}

static void test_signatures(void **state)
{
	begin(AGENT_SIGN_RESPONSE);
	ssh_write_string(&bytes, sample_text("signature"));
	assert_int_equal(agent_check_signature(sample_span(&bytes), &err), 0);
	strbuf_add(&bytes, "x");
	refused(agent_check_signature(sample_span(&bytes), &err), "not well-formed");
	begin(AGENT_SIGN_RESPONSE);
	ssh_write_string(&bytes, sample_text(""));
	refused(agent_check_signature(sample_span(&bytes), &err), "not well-formed");
	begin(AGENT_SIGN_RESPONSE);
	refused(agent_check_signature(sample_span(&bytes), &err), "not well-formed");
	begin(AGENT_FAILURE);
	refused(agent_check_signature(sample_span(&bytes), &err), "locked");
	begin(0);
	refused(agent_check_signature(sample_span(&bytes), &err), "type 0 instead of 14");
}

/* What libssh reads of us in the agent's place is what we would read ourselves. */
static void test_one_key(void **state)
{
	struct ssh_span body;

	forget(NULL);
	agent_write_identities(&bytes, sample_text("blob"));
	assert_int_equal(agent_next_message(sample_span(&bytes), &body, &err), 1);
	assert_int_equal(body.size, bytes.length - 4);
	assert_int_equal(agent_keys_parse(&keys, body, &err), 0);
	assert_int_equal(keys.count, 1);
	assert_true(ssh_span_is(keys.items[0].blob, "blob"));
}

static void write_sign_request(const char *blob, const char *data, uint32_t flags)
{
	struct strbuf body = { 0 };

	ssh_write_u8(&body, AGENT_SIGN_REQUEST);
	ssh_write_string(&body, sample_text(blob));
	ssh_write_string(&body, sample_text(data));
	ssh_write_u32(&body, flags);
	agent_write_message(&bytes, sample_span(&body));
	strbuf_fini(&body);
}

static void test_finding_a_sign_request(void **state)
{
	struct ssh_span body;

	forget(NULL);
	agent_write_request_identities(&bytes);
	assert_false(agent_find_sign_request(sample_span(&bytes), &body));
	write_sign_request("key", "data", 4);
	assert_true(agent_find_sign_request(sample_span(&bytes), &body));
	assert_ptr_equal(body.data, bytes.data + 5 + 4);
	assert_int_equal(body.size, bytes.length - 5 - 4);
	for (size_t cut = 1; cut < body.size; cut++)
		assert_false(agent_find_sign_request(
			(struct ssh_span){ (unsigned char *)bytes.data, bytes.length - cut },
			&body));
}

static void test_the_same_request_for_another_key(void **state)
{
	struct strbuf other = { 0 }, wanted = { 0 };
	struct ssh_span body;

	forget(NULL);
	write_sign_request("plain key", "data", 2);
	wanted = bytes;
	bytes = (struct strbuf){ 0 };
	write_sign_request("certificate", "data", 2);
	assert_true(agent_find_sign_request(sample_span(&bytes), &body));
	assert_int_equal(agent_write_sign_request_for(&other, body, sample_text("plain key")), 0);
	assert_true(ssh_span_equal(sample_span(&other), sample_span(&wanted)));
	for (size_t size = 0; size < body.size; size++)
		assert_int_equal(agent_write_sign_request_for(&other,
							      (struct ssh_span){ body.data, size },
							      sample_text("plain key")),
				 -1);
	strbuf_fini(&other);
	strbuf_fini(&wanted);
}

#define CASE(test) cmocka_unit_test_teardown(test, forget)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_messages_in_pieces),
		CASE(test_lengths),
		CASE(test_a_list),
		CASE(test_an_empty_list),
		CASE(test_more_keys_than_are_looked_at),
		CASE(test_a_key_too_large),
		CASE(test_lists_that_are_none),
		CASE(test_signatures),
		CASE(test_one_key),
		CASE(test_finding_a_sign_request),
		CASE(test_the_same_request_for_another_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
