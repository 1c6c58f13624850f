/* SPDX-License-Identifier: MIT */
/*
 * A proxy's client from its first byte to the answer: every language, every kind of no, and that
 * each answer arrives. Plain HTTP requests that are let through are test_proxy_exchange.c's.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/worker/local_socket.h"
#include "tests/unit/proxy_fixture.h"
#include "tests/unit/real_loop.h"
#include "tests/unit/sockets.h"

#define BYTES(text) text, sizeof(text) - 1
#define SOCKS_5 "\5\1\0\5\1\0\3\2db\0\x50"
#define SOCKS_5_FAILED(reply) "\5\0\5" reply "\0\1\0\0\0\0\0\0"
#define SOCKS_4 "\4\1\0\x50\1\2\3\4me\0"
#define SOCKS_4_FAILED "\0\x5b\0\0\0\0\0\0"
#define CONNECT "CONNECT db:80 HTTP/1.1\r\nHost: db:80\r\n\r\n"
#define CONNECTED "HTTP/1.1 200 Connection established\r\n\r\n"

/* clang-format off */
static const struct {
	const char *sent;
	size_t sent_size;
	const char *wanted;
	const char *heard; /* with the answer to yes */
	size_t heard_size;
} streams[] = {
	{ BYTES(SOCKS_5), "db:80", BYTES("\5\0\5\0\0\1\0\0\0\0\0\0") },
	{ BYTES("\5\1\0\5\1\0\1\1\2\3\4\0\x50"), "1.2.3.4:80", BYTES("\5\0\5\0\0\1\0\0\0\0\0\0") },
	{ BYTES(SOCKS_4), "1.2.3.4:80", BYTES("\0\x5a\0\0\0\0\0\0") },
	{ BYTES("\4\1\0\x50\0\0\0\7\0db\0"), "db:80", BYTES("\0\x5a\0\0\0\0\0\0") },
	{ BYTES(CONNECT), "db:80", BYTES(CONNECTED) },
	{ BYTES("CONNECT [::1]:22 HTTP/1.0\r\n\r\n"), "[::1]:22", BYTES(CONNECTED) },
};

static const struct {
	const char *sent;
	size_t sent_size;
	const char *heard;
	size_t heard_size;
	enum err_code why;
} refused[] = {
	{ BYTES("\5\1\1"), BYTES("\5\xff"), ERR_UNSUPPORTED },
	{ BYTES("\5\1\0\5\2\0\1\1\2\3\4\0\x50"), BYTES(SOCKS_5_FAILED("\7")), ERR_UNSUPPORTED },
	{ BYTES("\5\1\0\5\1\0\2"), BYTES(SOCKS_5_FAILED("\x08")), ERR_UNSUPPORTED },
	{ BYTES("\4\2\0\x50\1\2\3\4\0"), BYTES(SOCKS_4_FAILED), ERR_UNSUPPORTED },
};

static const struct {
	const char *sent;
	size_t sent_size;
	const char *status, *says;
} pages[] = {
	{ BYTES("GET / HTTP/1.1\r\nHost: h\r\n\r\n"), "400", "not a web server" },
	{ BYTES("GET https://h/ HTTP/1.1\r\n\r\n"), "400", "ask with CONNECT" },
	{ BYTES("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), "400", "began with TLS; this is a plain proxy" },
	{ BYTES("\xff\xfb\x1f"), "400", "began with byte 0xff" },
	{ BYTES("\0"), "400", "began with byte 0x00" },
	{ BYTES("hello\r\n"), "400", "this is not HTTP" },
	{ BYTES("SSH-2.0-OpenSSH_9.2\r\n"), "400", "this is not HTTP" },
	{ BYTES("GET http://h/ HTTP/1.1\nHost: h\n\n"), "400", "without CR LF" },
	{ BYTES("GET http://h/ HTTP/2.0\r\n"), "505", "HTTP/1.1 only" },
};
/* clang-format on */

static void (*const ways[])(const char *bytes, size_t size) = { say, say_slowly };

/* ---- yes ---- */

static void accept_stream(int *ret_fd)
{
	size_t early_size;
	char *early;

	*ret_fd = proxy_release(TAKE(fix.proxy), &early, &early_size);
	assert_true(*ret_fd >= 0);
	assert_null(early);
	assert_int_equal(early_size, 0);
	turns();
}

static void try_stream(size_t i, void (*way)(const char *bytes, size_t size))
{
	int fd;

	start();
	way(streams[i].sent, streams[i].sent_size);
	assert_int_equal(fix.requests, 1);
	assert_true(fix.is_stream);
	assert_string_equal(fix.wanted, streams[i].wanted);
	accept_stream(&fd);
	hear(streams[i].heard, streams[i].heard_size);
	send_text(fd, "data");
	HEAR("data");
	close(fd);
	hear_end();
	assert_int_equal(fix.ends, 0);
}

static void test_streams(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(streams); i++) {
		for (size_t k = 0; k < ARRAY_SIZE(ways); k++)
			try_stream(i, ways[k]);
	}
}

static void test_early_data_goes_along(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(streams); i++) {
		size_t size;
		char *early;
		int fd;

		start();
		assert_int_equal(send(fix.client, streams[i].sent, streams[i].sent_size, MSG_MORE),
				 streams[i].sent_size);
		SAY("early");
		fd = proxy_release(TAKE(fix.proxy), &early, &size);
		assert_true(fd >= 0);
		assert_int_equal(size, 5);
		assert_memory_equal(early, "early", 5);
		free(early);
		close(fd);
	}
}

/* Bytes that come while the owner is asked stay in the socket. */
static void test_data_while_asked(void **state)
{
	char byte;
	int fd;

	start();
	SAY(SOCKS_5);
	SAY("x");
	accept_stream(&fd);
	assert_int_equal(recv(fd, &byte, 1, 0), 1);
	close(fd);
}

static void test_half_closed_client_is_not_abandoned(void **state)
{
	int fd;

	start();
	SAY(CONNECT);
	shutdown(fix.client, SHUT_WR);
	turns();
	assert_false(proxy_is_abandoned(fix.proxy));
	accept_stream(&fd);
	HEAR(CONNECTED);
	close(fd);
}

static void test_reset_client_is_abandoned(void **state)
{
	size_t size;
	char *early;

	start();
	SAY(SOCKS_5);
	assert_false(proxy_is_abandoned(fix.proxy));
	local_socket_reset(TAKE_FD(fix.client));
	turns();
	assert_true(proxy_is_abandoned(fix.proxy));
	assert_int_equal(proxy_release(TAKE(fix.proxy), &early, &size), -1);
	turns();
	assert_int_equal(fix.ends, 0);
}

/* ---- no ---- */

static void test_refused_requests(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(refused) * ARRAY_SIZE(ways); i++) {
		start();
		ways[i % 2](refused[i / 2].sent, refused[i / 2].sent_size);
		hear(refused[i / 2].heard, refused[i / 2].heard_size);
		hear_end();
		leave();
		expect_ended(refused[i / 2].why);
		assert_int_equal(fix.requests, 0);
	}
}

static void test_pages(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(pages) * ARRAY_SIZE(ways); i++) {
		start();
		ways[i % 2](pages[i / 2].sent, pages[i / 2].sent_size);
		hear_page(pages[i / 2].status, pages[i / 2].says);
		leave();
		assert_int_equal(fix.ends, 1);
		assert_true(strstr(fix.why.msg, pages[i / 2].says));
		assert_int_equal(fix.requests, 0);
	}
}

static const struct {
	enum err_code code;
	char reply;
	const char *status;
} refusals[] = {
	{ ERR_REFUSED, 5, "502" },  { ERR_UNREACHABLE, 4, "502" }, { ERR_RESOLVE, 4, "502" },
	{ ERR_TARGET, 4, "502" },   { ERR_TIMEOUT, 6, "504" },     { ERR_PROHIBITED, 2, "403" },
	{ ERR_LIMIT, 1, "503" },    { ERR_LOST, 1, "502" },        { ERR_NOT_ALLOWED, 2, "403" },
	{ ERR_INTERNAL, 1, "502" },
};

static void refuse(enum err_code code)
{
	struct err err;

	err_set(&err, code, "db:80 said no");
	proxy_refuse(fix.proxy, &err);
	turns();
}

/* The owner knows what it said: nothing is left to log. */
static void test_the_owner_refuses(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
		char reply[] = SOCKS_5_FAILED("\0");

		reply[3] = refusals[i].reply;
		start();
		SAY(SOCKS_5);
		refuse(refusals[i].code);
		hear(reply, sizeof(reply) - 1);
		hear_end();
		leave();
		expect_ended(ERR_NONE);
		start();
		SAY(SOCKS_4);
		refuse(refusals[i].code);
		HEAR(SOCKS_4_FAILED);
		hear_end();
		start();
		SAY(CONNECT);
		refuse(refusals[i].code);
		hear_page(refusals[i].status, "db:80 said no");
		start();
		SAY("GET http://db/ HTTP/1.1\r\n\r\n");
		assert_false(fix.is_stream);
		refuse(refusals[i].code);
		hear_page(refusals[i].status, "db:80 said no");
		leave();
	}
}

static void test_allow(void **state)
{
	assert_int_equal(strv_add(&fix.allow, "*.internal:443"), 0);
	start();
	SAY(SOCKS_5);
	HEAR(SOCKS_5_FAILED("\2"));
	hear_end();
	leave();
	expect_ended(ERR_NOT_ALLOWED);
	start();
	SAY(CONNECT);
	hear_page("403", "db:80 is not among the destinations in 'allow'");
	start();
	SAY("CONNECT db.internal:443 HTTP/1.1\r\n\r\n");
	assert_int_equal(fix.requests, 1);
}

/* ---- who are you? ---- */

static void test_login(void **state)
{
	fix.settings.user = "Aladdin";
	fix.settings.password = "open sesame";
	start();
	SAY(SOCKS_4);
	HEAR(SOCKS_4_FAILED);
	start();
	SAY("\5\1\0");
	HEAR("\5\xff");
	start();
	SAY("\5\2\0\2\1\7Aladdin\x0bopen sesame\5\1\0\3\2db\0\x50");
	HEAR("\5\2\1\0");
	assert_int_equal(fix.requests, 1);
	start();
	SAY("\5\1\2\1\7Aladdin\x0bopen barley");
	HEAR("\5\2\1\1");
	hear_end();
	leave();
	expect_ended(ERR_NOT_ALLOWED);
}

static void test_login_http(void **state)
{
	fix.settings.user = "Aladdin";
	fix.settings.password = "open sesame";
	start();
	SAY(CONNECT);
	hear_page("407 Proxy Authentication Required\r\nProxy-Authenticate: Basic ",
		  "wants a user and a password");
	start();
	SAY("GET http://db/ HTTP/1.1\r\nProxy-Authorization: Basic YTpi\r\n\r\n");
	hear_page("407", "is wrong");
	start();
	SAY("CONNECT db:80 HTTP/1.1\r\n"
	    "Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n");
	assert_int_equal(fix.requests, 1);
}

/* ---- the end ---- */

/* close(2) with unread bytes would send a reset, which overtakes the answer. */
static void test_the_answer_arrives_whatever_was_sent(void **state)
{
	static char noise[200000];

	start();
	assert_int_equal(send(fix.client, "hello\r\n", 7, 0), 7);
	assert_int_equal(send(fix.client, noise, sizeof(noise), 0), sizeof(noise));
	for (int i = 0; i < 10; i++)
		turns();
	hear_page("400", "this is not HTTP");
	leave();
	assert_int_equal(fix.ends, 1);
}

static void test_a_refused_client_that_stays_is_closed(void **state)
{
	start();
	SAY("hello\r\n");
	assert_int_equal(fix.ends, 0);
	expire();
	expect_ended(ERR_PROTOCOL);
	hear_page("400", "this is not HTTP");
}

static void test_a_refused_client_that_sends_for_ever_is_closed(void **state)
{
	static char noise[64 * 1024];

	start();
	SAY("hello\r\n");
	for (int i = 0; i < 100 && fix.ends == 0; i++) {
		if (send(fix.client, noise, sizeof(noise), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			assert_int_equal(errno, EAGAIN);
		turns();
	}
	assert_int_equal(fix.ends, 1);
}

static void test_deadline(void **state)
{
	uint64_t due_ms;

	start();
	due_ms = fix.proxy->limit.due_ms;
	SAY("GET http://h/ HTTP/1.1\r\n");
	SAY("Accept: ");
	assert_int_equal(fix.proxy->limit.due_ms, due_ms); /* bytes do not win time */
	expire();
	hear_page("408", "did not finish its request within 10 s");
	leave();
	expect_ended(ERR_TIMEOUT);
}

static void test_deadline_socks(void **state)
{
	start();
	SAY("\5\1\0\5\1");
	expire();
	HEAR(SOCKS_5_FAILED("\6"));
	hear_end();
	leave();
	expect_ended(ERR_TIMEOUT);
	start();
	SAY("\5");
	expire();
	HEAR("\5\xff");
	hear_end();
}

static void test_deadline_of_a_mute_client(void **state)
{
	start();
	turns();
	expire();
	hear_end();
	leave();
	expect_ended(ERR_TIMEOUT);
}

static void test_no_deadline_while_the_owner_is_asked(void **state)
{
	start();
	SAY(SOCKS_5);
	assert_false(loop_timer_is_set(&fix.proxy->limit));
}

static void test_clients_that_leave(void **state)
{
	start();
	leave();
	expect_ended(ERR_NONE); /* somebody looked whether the port is open */
	start();
	SAY("\5\1\0\5");
	leave();
	expect_ended(ERR_LOST);
	start();
	SAY("GET http://h/");
	leave();
	expect_ended(ERR_LOST);
	start();
	SAY("\5\1");
	local_socket_reset(TAKE_FD(fix.client));
	turns();
	expect_ended(ERR_LOST);
}

static void test_free_in_every_phase(void **state)
{
	static const char *const sent[] = { "", "\5", "GET", SOCKS_4, CONNECT, "hello\r\n" };

	for (size_t i = 0; i < ARRAY_SIZE(sent) * 2; i++) {
		start();
		say(sent[i / 2], strlen(sent[i / 2]) + (i / 2 == 3));
		proxy_free(TAKE(fix.proxy), i % 2);
		turns();
		assert_int_equal(fix.ends, 0);
	}
	start(); /* not even a turn old */
	proxy_free(TAKE(fix.proxy), false);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, proxy_set_up, proxy_tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_streams),
		TEST(test_early_data_goes_along),
		TEST(test_data_while_asked),
		TEST(test_half_closed_client_is_not_abandoned),
		TEST(test_reset_client_is_abandoned),
		TEST(test_refused_requests),
		TEST(test_pages),
		TEST(test_the_owner_refuses),
		TEST(test_allow),
		TEST(test_login),
		TEST(test_login_http),
		TEST(test_the_answer_arrives_whatever_was_sent),
		TEST(test_a_refused_client_that_stays_is_closed),
		TEST(test_a_refused_client_that_sends_for_ever_is_closed),
		TEST(test_deadline),
		TEST(test_deadline_socks),
		TEST(test_deadline_of_a_mute_client),
		TEST(test_no_deadline_while_the_owner_is_asked),
		TEST(test_clients_that_leave),
		TEST(test_free_in_every_phase),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}
