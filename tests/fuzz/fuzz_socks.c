/* SPDX-License-Identifier: MIT */
/*
 * A SOCKS conversation, with and without a login. What a client hears and where it ends up does not
 * depend on the pieces in which its bytes came, and a host is one that may be shown.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/socks.h"
#include "lib/util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
	struct socks socks;
	enum socks_result result;
	size_t used;
	unsigned char heard[64];
	size_t heard_size;
	struct err err;
};

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void converse(struct outcome *o, const char *bytes, size_t size)
{
	do {
		size_t used;

		o->result = socks_step(&o->socks, bytes + o->used, size - o->used, &used, &o->err);
		o->used += used;
		must(o->used <= size && (o->result != SOCKS_MORE || used == 0));
		if (o->result == SOCKS_ANSWER || o->result == SOCKS_REFUSED) {
			must(o->socks.answer_size <= SOCKS_ANSWER_MAX);
			must(o->heard_size + o->socks.answer_size <= sizeof(o->heard));
			memcpy(o->heard + o->heard_size, o->socks.answer, o->socks.answer_size);
			o->heard_size += o->socks.answer_size;
		}
	} while (o->result == SOCKS_ANSWER);
}

static void try_in_steps(struct outcome *o, const struct login *login, const char *bytes,
			 size_t size, size_t step)
{
	*o = (struct outcome){ .result = SOCKS_MORE };
	socks_init(&o->socks, login);
	for (size_t given = 0; given < size && o->result == SOCKS_MORE;) {
		given = MIN(given + step, size);
		converse(o, bytes, given);
	}
}

static void check(const struct outcome *o, const struct outcome *other, size_t size)
{
	must(o->result == other->result && o->heard_size == other->heard_size);
	must(memcmp(o->heard, other->heard, o->heard_size) == 0);
	if (o->result == SOCKS_MORE)
		must(size - o->used <= SOCKS_MESSAGE_MAX);
	if (o->result == SOCKS_REFUSED)
		must(o->err.code != ERR_NONE && strcmp(o->err.msg, other->err.msg) == 0);
	if (o->result != SOCKS_REQUEST)
		return;
	must(o->used == other->used && o->socks.port == other->socks.port);
	must(o->socks.port > 0 && endpoint_check_host(o->socks.host, NULL) == 0);
	must(strcmp(o->socks.host, other->socks.host) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct login logins[] = { { NULL, NULL }, { "me", "secret" } };
	static struct outcome whole, pieces;

	for (size_t i = 0; i < ARRAY_SIZE(logins); i++) {
		try_in_steps(&whole, &logins[i], (const char *)data, size, size);
		try_in_steps(&pieces, &logins[i], (const char *)data, size, 1);
		check(&whole, &pieces, size);
	}
	return 0;
}
