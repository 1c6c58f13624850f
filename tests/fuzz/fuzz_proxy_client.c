/* SPDX-License-Identifier: MIT */
/*
 * What a proxy may say, to each kind of client. What comes of it does not depend on the pieces in
 * which it came, nothing behind its consent is taken, and no password gets into a message.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/proxy_client.h"
#include "lib/util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
	enum proxy_client_result result;
	size_t used;
	struct strbuf sent;
	struct err err;
};

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void send_out(struct outcome *o, struct proxy_client *c)
{
	must(c->out.length > 0 && c->out.length < 1024);
	strbuf_add_bytes(&o->sent, c->out.data, c->out.length);
	proxy_client_sent(c);
}

static void hear(struct outcome *o, struct proxy_client *c, const char *bytes, size_t size)
{
	do {
		size_t used;

		o->result = proxy_client_step(c, bytes + o->used, size - o->used, &used, &o->err);
		o->used += used;
		must(o->used <= size);
		must(o->result != PROXY_CLIENT_MORE || o->used == size);
		if (o->result == PROXY_CLIENT_SEND)
			send_out(o, c);
	} while (o->result == PROXY_CLIENT_SEND);
}

static void try_in_steps(struct outcome *o, const struct proxy_url *url, const char *bytes,
			 size_t size, size_t step)
{
	struct proxy_client c;

	*o = (struct outcome){ .result = PROXY_CLIENT_MORE };
	must(proxy_client_init(&c, url, "server.example", 22, &o->err) == 0);
	send_out(o, &c);
	for (size_t given = 0; given < size && o->result == PROXY_CLIENT_MORE;) {
		given = MIN(given + step, size);
		hear(o, &c, bytes, given);
	}
	must(c.in.size <= 16 * 1024);
	if (o->result == PROXY_CLIENT_MORE) {
		proxy_client_ended(&c, &o->err);
		must(o->err.code == ERR_LOST);
	}
	proxy_client_fini(&c);
}

static void check(const struct outcome *o, const struct outcome *other, const uint8_t *data,
		  size_t size)
{
	must(o->result == other->result && o->sent.length == other->sent.length);
	must(memcmp(o->sent.data, other->sent.data, o->sent.length) == 0);
	if (o->result == PROXY_CLIENT_DONE)
		must(o->used == other->used);
	if (o->result != PROXY_CLIENT_FAILED)
		return;
	must(o->err.code == other->err.code && o->err.code != ERR_NONE);
	must(str_is_utf8(o->err.msg, strlen(o->err.msg)));
	must(!strstr(o->err.msg, "hidden") || memmem(data, size, "hidden", 6));
	for (const char *c = o->err.msg; *c; c++)
		must((unsigned char)*c >= ' ' && *c != 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct proxy_url urls[] = {
		{ .kind = PROXY_SOCKS4A, .user = "me" },
		{ .kind = PROXY_SOCKS5 },
		{ .kind = PROXY_SOCKS5, .user = "me", .password = "hidden" },
		{ .kind = PROXY_HTTP },
		{ .kind = PROXY_HTTP, .user = "me", .password = "hidden" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(urls); i++) {
		struct outcome whole, pieces;

		try_in_steps(&whole, &urls[i], (const char *)data, size, size);
		try_in_steps(&pieces, &urls[i], (const char *)data, size, 1);
		check(&whole, &pieces, data, size);
		strbuf_fini(&whole.sent);
		strbuf_fini(&pieces.sent);
	}
	return 0;
}
