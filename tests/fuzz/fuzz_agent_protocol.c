/* SPDX-License-Identifier: MIT */
/*
 * What an agent says, as a stream of messages: each is read as a list of keys and as a signature, and
 * as what libssh might have asked. A key that is listed can be listed again.
 */
#include <stdint.h>
#include <stdlib.h>

#include "lib/agent_protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void check_again(struct ssh_span blob)
{
	struct strbuf answer = { 0 };
	struct ssh_span body;
	struct agent_keys again;
	struct err err;

	agent_write_identities(&answer, blob);
	must(agent_next_message((struct ssh_span){ (unsigned char *)answer.data, answer.length },
				&body, &err) == 1);
	must(agent_keys_parse(&again, body, &err) == 0 && again.count == 1);
	must(ssh_span_equal(again.items[0].blob, blob));
	agent_keys_fini(&again);
	strbuf_fini(&answer);
}

static void check_keys(struct ssh_span body)
{
	struct agent_keys keys;
	struct err err;

	if (agent_keys_parse(&keys, body, &err) < 0) {
		must(err.code == ERR_AGENT && !keys.bytes && !keys.items);
		return;
	}
	must(keys.count <= AGENT_KEYS_MAX);
	for (size_t i = 0; i < keys.count && i < 4; i++)
		check_again(keys.items[i].blob);
	agent_keys_fini(&keys);
}

static void check_request(struct ssh_span messages)
{
	static const struct ssh_span key = { (const unsigned char *)"key", 3 };
	struct strbuf request = { 0 };
	struct ssh_span body, again;

	if (!agent_find_sign_request(messages, &body))
		return;
	if (agent_write_sign_request_for(&request, body, key) == 0)
		must(agent_find_sign_request(
			(struct ssh_span){ (unsigned char *)request.data, request.length },
			&again));
	strbuf_fini(&request);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ssh_span left = { data, size }, body;
	struct err err;

	check_request(left);
	while (agent_next_message(left, &body, &err) == 1) {
		must(body.size > 0 && body.size <= AGENT_MESSAGE_MAX);
		check_keys(body);
		agent_check_signature(body, &err);
		left.size -= (size_t)(body.data + body.size - left.data);
		left.data = body.data + body.size;
	}
	return 0;
}
