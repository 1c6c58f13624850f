/* SPDX-License-Identifier: MIT */
/*
 * One client of a dynamic forward. Its first byte tells what it speaks: SOCKS 5 (RFC 1928, 1929),
 * SOCKS 4 and 4a, or HTTP, as CONNECT or as plain requests for `http://host/path`. It says where it
 * wants to go; the owner goes there and says yes or no, and the client hears it in its own
 * protocol. No client is closed without an answer.
 *
 * After SOCKS and CONNECT the connection is a stream, and the client's socket goes to the owner.
 * Plain requests stay here: each goes to a connection of its own, and the client's may live on for
 * the next one, which may be for another host.
 */
#pragma once

#include "daemon/common/loop.h"
#include "lib/util.h"

struct proxy;

struct proxy_settings {
	struct loop *loop;
	const struct strv *allow; /* lib/allow.h; borrowed, like the rest */
	const char *user, *password; /* NULL: nobody is asked who he is */
};

struct proxy_ops {
	/* Where the client wants to go: a name or a numeric address, valid and allowed. The owner
	 * calls proxy_release() (a stream) or proxy_attach() (not), or proxy_refuse(), within this
	 * call or later. */
	void (*on_request)(void *data, const char *host, uint16_t port, bool is_stream);
	/* The client is done with: it has been answered and closed, it left, or it took too long. The
	 * proxy is freed after the turn; calling proxy_free() is fine. err: why, for the log; NULL:
	 * nothing is wrong. */
	void (*on_end)(void *data, const struct err *err);
};

#define PROXY_HANDSHAKE_MS 10000 /* from the connection to a complete request */

/* Takes fd (a connected, non-blocking stream socket) on success. */
struct proxy *proxy_new(const struct proxy_settings *settings, int fd, const struct proxy_ops *ops,
			void *data, struct err *err);
/* At once, without an answer; reset: with a RST. on_end is not called. NULL is fine. */
void proxy_free(struct proxy *p, bool reset);

/* Says yes to a stream and hands the client over: returns its socket, and in *ret_early (malloced,
 * NULL: none) what it has sent already. The proxy is freed. -1: the client has gone; on_end is not
 * called. */
int proxy_release(struct proxy *p, char **ret_early, size_t *ret_early_size);
/* Says yes to a plain request: fd (taken; connected, non-blocking) leads to the server. */
void proxy_attach(struct proxy *p, int fd);
/* What is behind that fd has broken, which the end of a socket pair cannot say: when the end comes,
 * the response has not ended but was cut. Nothing happens when the response was complete. */
void proxy_cut(struct proxy *p);
/* Says no, in the words of the client's protocol as far as it has them: ERR_REFUSED,
 * ERR_UNREACHABLE, ERR_RESOLVE, ERR_TIMEOUT, ERR_TARGET (cannot be reached, it is not known why),
 * ERR_PROHIBITED and ERR_NOT_ALLOWED, ERR_LIMIT; anything else is a general failure. */
void proxy_refuse(struct proxy *p, const struct err *err);

/* The client has reset its connection, or does not answer: to be asked while nothing is sent to it. */
bool proxy_is_abandoned(const struct proxy *p);
