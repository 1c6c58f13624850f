/* SPDX-License-Identifier: MIT */
/*
 * A client that speaks SOCKS: lib/socks.h reads and answers, this moves the bytes. An answer of two
 * bytes always fits into a socket that has taken nothing yet.
 */
#include <string.h>

#include "daemon/worker/proxy_parts.h"

/* Puts the answer into down; a client for whom there is no memory hears nothing. */
static void put_answer(struct proxy *p)
{
	buffer_add(&p->down.text, (const char *)p->socks.answer, p->socks.answer_size);
}

static void take_request(struct proxy *p)
{
	memcpy(p->request.host, p->socks.host, sizeof(p->request.host));
	p->request.port = p->socks.port;
	proxy_ask(p, true);
}

static void on_bytes(struct proxy *p)
{
	for (;;) {
		struct buffer *bytes = &p->up.bytes;
		struct err err;
		size_t used;
		enum socks_result result =
			socks_step(&p->socks, buffer_bytes(bytes), bytes->size, &used, &err);

		buffer_drop(bytes, used);
		switch (result) {
		case SOCKS_MORE:
			return;
		case SOCKS_ANSWER:
			put_answer(p);
			if (flow_write(&p->down, p->fd) < 0 || !flow_is_clear(&p->down)) {
				proxy_finish(p, true, NULL);
				return;
			}
			break;
		case SOCKS_REQUEST:
			take_request(p);
			return;
		case SOCKS_REFUSED:
			p->why = err;
			put_answer(p);
			proxy_part(p);
			return;
		}
	}
}

static void grant(struct proxy *p)
{
	socks_grant(&p->socks);
	put_answer(p);
}

static void refuse(struct proxy *p, const struct err *why)
{
	socks_refuse(&p->socks, why);
	put_answer(p);
}

const struct proxy_language proxy_socks = {
	.on_bytes = on_bytes,
	.grant = grant,
	.refuse = refuse,
};
