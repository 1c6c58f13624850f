/* SPDX-License-Identifier: MIT */
/*
 * Bytes as they might come from the control socket, in pieces of a size the first byte chooses.
 * What is accepted must survive being encoded and read again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util.h"
#include "lib/varlink.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void feed(struct varlink_reader *r, const char *bytes, size_t size)
{
	size_t room;
	char *to = varlink_reader_room(r, size, &room, NULL);

	if (!to)
		return;
	if (room < size)
		abort();
	memcpy(to, bytes, size);
	varlink_reader_commit(r, size);
}

static void round_trip(json_t *message)
{
	struct varlink_reader r = { 0 };
	size_t size;
	char *bytes = varlink_encode(json_incref(message), &size);
	json_t *again = NULL;

	if (bytes) {
		feed(&r, bytes, size);
		if (varlink_reader_next(&r, &again, NULL) != 1)
			abort();
	}
	json_decref(again);
	free(bytes);
	varlink_reader_fini(&r);
}

static void take_messages(struct varlink_reader *r)
{
	json_t *message;
	int rc;

	/* A message that is none does not end the stream; one that is too long does. */
	for (unsigned bad = 0; bad < 16 && (rc = varlink_reader_next(r, &message, NULL)) != 0;) {
		struct varlink_call call;
		struct varlink_reply reply;

		if (rc < 0) {
			bad++;
			continue;
		}
		if (varlink_call_parse(message, &call, NULL) == 0 && !*call.method)
			abort();
		if (varlink_reply_parse(message, &reply, NULL) == 0 && reply.error && !*reply.error)
			abort();
		round_trip(message);
		json_decref(message);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct varlink_reader r = { 0 };
	size_t piece = size > 0 ? data[0] % 64 + 1 : 1;

	for (size_t at = 1; at < size; at += piece) {
		feed(&r, (const char *)data + at, MIN(piece, size - at));
		take_messages(&r);
	}
	varlink_reader_fini(&r);
	return 0;
}
