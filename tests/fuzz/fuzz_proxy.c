/* SPDX-License-Identifier: MIT */
/*
 * A whole proxy on the real loop, between a client and servers that say what the input says, in the
 * pieces it says. Input: a byte of settings, then pieces: who speaks (the client, the server, nobody
 * any more), a length, the bytes. After it no descriptor is left, and the client was asked about at
 * most as often as it could ask.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/worker/flow.h"
#include "daemon/worker/proxy.h"
#include "lib/endpoint.h"
#include "lib/util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SETTING_LOGIN = 1, SETTING_ALLOW = 2, SETTING_REFUSE = 4, SETTING_CUT = 8 };

static struct loop *loop;
static struct proxy *proxy; /* NULL: ended */
static int client, server; /* the far ends; -1: closed */
static unsigned settings, left;
static struct loop_defer turn;

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void pair(int fds[2])
{
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
}

static void on_turn(void *data)
{
	if (left-- == 0)
		loop_quit(loop, 0);
	else
		loop_defer_schedule(&turn);
}

static void run(unsigned turns)
{
	left = turns;
	loop_defer_schedule(&turn);
	loop_run(loop);
}

static void hand_over(void)
{
	size_t size;
	char *early;
	int fd = proxy_release(TAKE(proxy), &early, &size);

	if (fd < 0)
		return;
	must((early != NULL) == (size > 0) && size <= FLOW_SIZE);
	free(early);
	close(fd);
}

static void on_request(void *data, const char *host, uint16_t port, bool is_stream)
{
	int fds[2];

	must(endpoint_check_host(host, NULL) == 0 && port > 0);
	if (settings & SETTING_REFUSE) {
		struct err err;

		err_set(&err, ERR_REFUSED, "refused");
		proxy_refuse(proxy, &err);
	} else if (is_stream) {
		hand_over();
	} else {
		closep(&server);
		pair(fds);
		server = fds[1];
		proxy_attach(proxy, fds[0]);
	}
}

static void on_end(void *data, const struct err *err)
{
	must(!err || err->msg[0]);
	proxy = NULL;
}

static const struct proxy_ops ops = { .on_request = on_request, .on_end = on_end };

static void discard(int fd)
{
	static char bytes[128 * 1024];

	if (fd >= 0)
		while (recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
			;
}

/* One piece: returns how much of the input it took. */
static size_t play(const uint8_t *data, size_t size)
{
	size_t length = MIN((size_t)(data[0] >> 2) * 8 + 1, size - 1);
	int *speaker = data[0] & 1 ? &server : &client;

	if (data[0] & 2 && length < 32) {
		if (settings & SETTING_CUT && proxy)
			proxy_cut(proxy);
		closep(speaker);
	} else if (*speaker >= 0 && length > 0 &&
		   send(*speaker, data + 1, length, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
		closep(speaker);
	}
	run(2);
	discard(client);
	discard(server);
	return 1 + length;
}

static void start(void)
{
	static char *rules[] = { (char *)"h:80", (char *)"*.internal:*" };
	static const struct strv allow = { rules, ARRAY_SIZE(rules) };
	struct proxy_settings s = { .loop = loop };
	struct err err;
	int fds[2];

	if (settings & SETTING_ALLOW)
		s.allow = &allow;
	if (settings & SETTING_LOGIN) {
		s.user = "me";
		s.password = "secret";
	}
	pair(fds);
	client = fds[1];
	server = -1;
	proxy = proxy_new(&s, fds[0], &ops, NULL, &err);
	must(proxy != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int lowest, after;

	if (!loop) {
		loop = loop_new(NULL);
		must(loop != NULL);
		loop_defer_open(&turn, loop, on_turn, NULL);
		run(1);
	}
	if (size < 1)
		return 0;
	lowest = fcntl(0, F_DUPFD_CLOEXEC, 0);
	close(lowest);
	settings = data[0];
	start();
	for (size_t at = 1; at < size;)
		at += play(data + at, size - at);
	closep(&client);
	closep(&server);
	run(2);
	proxy_free(TAKE(proxy), false);
	run(1);
	after = fcntl(0, F_DUPFD_CLOEXEC, 0);
	close(after);
	must(after == lowest);
	return 0;
}
