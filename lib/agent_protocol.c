/* SPDX-License-Identifier: MIT */
#include "lib/agent_protocol.h"

#include <stdlib.h>
#include <string.h>

#include "lib/util.h"

#define LENGTH_SIZE 4
#define KEY_SIZE_MIN (2 * LENGTH_SIZE) /* an empty blob and an empty comment */

int agent_next_message(struct ssh_span bytes, struct ssh_span *ret_body, struct err *err)
{
	struct ssh_reader r;
	uint32_t length;

	ssh_reader_init(&r, bytes);
	length = ssh_read_u32(&r);
	if (r.failed)
		return 0;
	if (length == 0 || length > AGENT_MESSAGE_MAX)
		return err_set(err, ERR_AGENT, "sends messages of %u bytes: is that an SSH agent?",
			       length);
	if (length > r.left)
		return 0;
	*ret_body = (struct ssh_span){ r.at, length };
	return 1;
}

static bool is_failure(uint8_t type)
{
	return type == AGENT_FAILURE || type == AGENT_FAILURE_SSH2 || type == AGENT_FAILURE_COM;
}

static int check_type(uint8_t type, enum agent_message wanted, const char *refused, struct err *err)
{
	if (type == wanted)
		return 0;
	if (is_failure(type))
		return err_set(err, ERR_AGENT, "%s", refused);
	return err_set(err, ERR_AGENT, "answers with a message of type %u instead of %u",
		       (unsigned)type, (unsigned)wanted);
}

static int nonsense(struct err *err)
{
	return err_set(err, ERR_AGENT, "has a list of keys that is not well-formed");
}

static int read_keys(struct agent_keys *keys, struct ssh_reader *r, struct err *err)
{
	uint32_t claimed = ssh_read_u32(r);

	/* The count is only claimed: no memory for more than the bytes can hold. */
	if (r->failed || claimed > r->left / KEY_SIZE_MIN)
		return nonsense(err);
	keys->items = calloc(MIN(claimed, AGENT_KEYS_MAX) + 1, sizeof(*keys->items));
	if (!keys->items)
		return err_nomem(err);
	for (uint32_t i = 0; i < claimed && keys->count < AGENT_KEYS_MAX; i++) {
		struct agent_key *key = &keys->items[keys->count];

		key->blob = ssh_read_string(r);
		key->comment = ssh_read_string(r);
		if (r->failed)
			return nonsense(err);
		if (key->blob.size > 0 && key->blob.size <= AGENT_BLOB_MAX)
			keys->count++;
	}
	return 0;
}

int agent_keys_parse(struct agent_keys *ret, struct ssh_span body, struct err *err)
{
	struct ssh_reader r;

	*ret = (struct agent_keys){ .bytes = malloc(body.size + 1) };
	if (!ret->bytes)
		return err_nomem(err);
	if (body.size > 0)
		memcpy(ret->bytes, body.data, body.size);
	ssh_reader_init(&r, (struct ssh_span){ ret->bytes, body.size });
	if (check_type(ssh_read_u8(&r), AGENT_IDENTITIES_ANSWER, "does not tell its keys", err) ==
		    0 &&
	    read_keys(ret, &r, err) == 0)
		return 0;
	agent_keys_fini(ret);
	return -1;
}

void agent_keys_fini(struct agent_keys *keys)
{
	free(keys->items);
	free(keys->bytes);
	*keys = (struct agent_keys){ 0 };
}

int agent_check_signature(struct ssh_span body, struct err *err)
{
	struct ssh_reader r;
	struct ssh_span signature;

	ssh_reader_init(&r, body);
	if (check_type(ssh_read_u8(&r), AGENT_SIGN_RESPONSE,
		       "does not sign: is it locked, or was its question declined?", err) < 0)
		return -1;
	signature = ssh_read_string(&r);
	if (r.failed || r.left > 0 || signature.size == 0 || signature.size > AGENT_BLOB_MAX)
		return err_set(err, ERR_AGENT, "gives a signature that is not well-formed");
	return 0;
}

void agent_write_message(struct strbuf *to, struct ssh_span body)
{
	ssh_write_string(to, body);
}

void agent_write_request_identities(struct strbuf *to)
{
	ssh_write_u32(to, 1);
	ssh_write_u8(to, AGENT_REQUEST_IDENTITIES);
}

void agent_write_identities(struct strbuf *to, struct ssh_span blob)
{
	static const struct ssh_span no_comment = { NULL, 0 };

	ssh_write_u32(to, (uint32_t)(1 + LENGTH_SIZE + LENGTH_SIZE + blob.size + LENGTH_SIZE));
	ssh_write_u8(to, AGENT_IDENTITIES_ANSWER);
	ssh_write_u32(to, 1);
	ssh_write_string(to, blob);
	ssh_write_string(to, no_comment);
}

bool agent_find_sign_request(struct ssh_span messages, struct ssh_span *ret_body)
{
	struct ssh_reader r;

	ssh_reader_init(&r, messages);
	while (!r.failed && r.left > 0) {
		struct ssh_span body = ssh_read_string(&r);

		if (body.size > 0 && body.data[0] == AGENT_SIGN_REQUEST) {
			*ret_body = body;
			return true;
		}
	}
	return false;
}

int agent_write_sign_request_for(struct strbuf *to, struct ssh_span body, struct ssh_span blob)
{
	struct ssh_reader r;
	struct ssh_span data;
	uint32_t flags;

	ssh_reader_init(&r, body);
	if (ssh_read_u8(&r) != AGENT_SIGN_REQUEST)
		return -1;
	ssh_read_string(&r); /* the key it is for so far */
	data = ssh_read_string(&r);
	flags = ssh_read_u32(&r);
	if (r.failed)
		return -1;
	ssh_write_u32(to, (uint32_t)(1 + LENGTH_SIZE + blob.size + LENGTH_SIZE + data.size +
				     sizeof(flags)));
	ssh_write_u8(to, AGENT_SIGN_REQUEST);
	ssh_write_string(to, blob);
	ssh_write_string(to, data);
	ssh_write_u32(to, flags);
	return 0;
}
