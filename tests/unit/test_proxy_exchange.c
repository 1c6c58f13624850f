/* SPDX-License-Identifier: MIT */
/*
 * Plain HTTP requests through a proxy: what the server gets of each, what the client gets back, and
 * which of the two connections ends when.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/worker/local_socket.h"
#include "tests/unit/proxy_fixture.h"
#include "tests/unit/real_loop.h"
#include "tests/unit/sockets.h"

#define GET "GET http://h/ HTTP/1.1\r\n\r\n"
#define GOT "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
#define OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

static int server; /* the far end of what the owner attached; -1: nothing */

static void attach_with(void (*make_pair)(int fds[2]))
{
	int fds[2];

	closep(&server);
	assert_string_not_equal(fix.wanted, "");
	assert_false(fix.is_stream);
	make_pair(fds);
	server = fds[1];
	fix.wanted[0] = '\0';
	proxy_attach(fix.proxy, fds[0]);
	turns();
}

static void attach(void)
{
	attach_with(tcp_pair);
}

static void answer(const char *text)
{
	send_text(server, text);
	turns();
}

static void answer_slowly(const char *text)
{
	for (; *text; text++) {
		assert_int_equal(send(server, text, 1, MSG_NOSIGNAL), 1);
		real_loop_turns(fix.loop, 2);
	}
}

/* It reads what has come first: its end would be a reset otherwise. */
static void server_ends(void)
{
	char bytes[256];

	while (recv(server, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
	closep(&server);
	turns();
}

static void server_resets(void)
{
	local_socket_reset(TAKE_FD(server));
	turns();
}

/* A request without a body has been let through. */
static void ask(const char *text)
{
	start();
	say(text, strlen(text));
	attach();
}

static int set_up(void **state)
{
	server = -1;
	return proxy_set_up(state);
}

static int tear_down(void **state)
{
	closep(&server);
	return proxy_tear_down(state);
}

/* ---- requests and responses ---- */

static void test_keep_alive_to_several_hosts(void **state)
{
	start();
	SAY("GET http://one/ HTTP/1.1\r\n\r\n");
	assert_string_equal(fix.wanted, "one:80");
	attach();
	expect_bytes(server, "GET / HTTP/1.1\r\nHost: one\r\nConnection: close\r\n\r\n");
	answer(OK);
	HEAR(OK);
	expect_eof(server);
	SAY("GET http://two:81/x HTTP/1.1\r\n\r\n");
	assert_string_equal(fix.wanted, "two:81");
	attach();
	expect_bytes(server, "GET /x HTTP/1.1\r\nHost: two:81\r\nConnection: close\r\n\r\n");
	answer(OK);
	HEAR(OK);
	assert_int_equal(fix.ends, 0);
	leave();
	expect_ended(ERR_NONE);
}

static void test_byte_by_byte(void **state)
{
	static const char request[] =
		"POST http://h/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
	static const char response[] =
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nA: b\r\n\r\n";

	start();
	for (const char *c = request; *c; c++) {
		say(c, 1);
		if (fix.wanted[0])
			attach();
	}
	expect_bytes(server, "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n"
			     "Connection: close\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
	answer_slowly("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n");
	answer_slowly(response);
	HEAR("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n");
	hear(response, sizeof(response) - 1);
	expect_eof(server);
	SAY(GET);
	assert_int_equal(fix.requests, 2);
}

/* The second request is not even looked at before the first has its answer. */
static void test_pipelined_requests_wait(void **state)
{
	start();
	SAY("POST http://one/ HTTP/1.1\r\nContent-Length: 2\r\n\r\nab"
	    "GET http://two/ HTTP/1.1\r\n\r\nGET http://three/ HTTP/1.1\r\n\r\n");
	attach();
	expect_bytes(server, "POST / HTTP/1.1\r\nHost: one\r\nContent-Length: 2\r\n"
			     "Connection: close\r\n\r\nab");
	assert_int_equal(fix.requests, 1);
	answer(OK);
	assert_string_equal(fix.wanted, "two:80");
	attach();
	answer(OK);
	assert_string_equal(fix.wanted, "three:80");
	attach();
	answer(OK);
	HEAR(OK OK OK);
}

static const struct {
	const char *request, *response;
	const char *heard;
	bool goes_on;
} exchanges[] = {
	{ "HEAD http://h/ HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n",
	  "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", true },
	{ GET, "HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n", true },
	{ GET, "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
	  "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", true },
	{ GET, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi, and more", OK,
	  true },
	{ GET, "HTTP/1.0 200 OK\r\n\r\nuntil the end",
	  "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end", false },
	{ "GET http://h/ HTTP/1.1\r\nConnection: close\r\n\r\n", OK,
	  "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi", false },
	{ "GET http://h/ HTTP/1.0\r\n\r\n", OK,
	  "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi", false },
	{ "GET http://h/ HTTP/1.0\r\nProxy-Connection: Keep-Alive\r\n\r\n", OK,
	  "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nhi", true },
	{ "GET http://h/ HTTP/1.0\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n" OK,
	  "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi", false },
	{ GET, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Wait\r\n\r\n" OK,
	  "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Wait\r\n\r\n" OK, true },
};

static void test_exchanges(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(exchanges); i++) {
		ask(exchanges[i].request);
		send_text(server, exchanges[i].response);
		server_ends();
		hear(exchanges[i].heard, strlen(exchanges[i].heard));
		if (exchanges[i].goes_on) {
			SAY(GET);
			assert_int_equal(fix.requests, 2);
		} else {
			hear_end();
			leave();
			expect_ended(ERR_NONE);
		}
	}
}

static void test_expect_continue(void **state)
{
	ask("POST http://h/ HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
	expect_bytes(server, "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n"
			     "Content-Length: 3\r\nConnection: close\r\n\r\n");
	answer("HTTP/1.1 100 Continue\r\n\r\n");
	HEAR("HTTP/1.1 100 Continue\r\n\r\n");
	SAY("abc");
	expect_bytes(server, "abc");
	answer(OK);
	HEAR(OK);
	SAY(GET);
	assert_int_equal(fix.requests, 2);
}

/* The rest of a body that nobody waited for must not be read as a request. */
static void test_an_early_answer_ends_the_connection(void **state)
{
	ask("POST http://h/ HTTP/1.1\r\nContent-Length: 100\r\n\r\nab");
	answer("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n");
	HEAR("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
	hear_end();
	SAY(GET);
	assert_int_equal(fix.requests, 1);
	leave();
	expect_ended(ERR_NONE);
}

/* A server may say no and hang up while the body still comes. */
static void test_a_server_that_reads_no_more_is_heard(void **state)
{
	static char body[100000];

	ask("POST http://h/ HTTP/1.1\r\nContent-Length: 200000\r\n\r\n");
	expect_bytes(server, "POST / HTTP/1.1\r\n");
	shutdown(server, SHUT_RD);
	say(body, sizeof(body));
	answer("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n");
	HEAR("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
	hear_end();
}

static void test_half_closed_client_gets_its_answer(void **state)
{
	start();
	send_text(fix.client, GET);
	shutdown(fix.client, SHUT_WR);
	turns();
	attach();
	expect_bytes(server, GOT);
	answer(OK);
	HEAR("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi");
	hear_end();
	expect_ended(ERR_NONE);
}

static void test_upgrade(void **state)
{
	ask("GET http://h/chat HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
	expect_bytes(server, "GET /chat HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\n"
			     "Upgrade: websocket\r\n\r\n");
	answer("HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello");
	HEAR("HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello");
	SAY("HEAD no http\r\n\r\n");
	expect_bytes(server, "HEAD no http\r\n\r\n");
	shutdown(fix.client, SHUT_WR);
	turns();
	expect_eof(server);
	answer("bye");
	HEAR("bye");
	assert_int_equal(fix.ends, 0);
	server_ends();
	hear_end();
	expect_ended(ERR_NONE);
}

static void test_upgrade_is_refused(void **state)
{
	ask("GET http://h/chat HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
	answer(OK);
	HEAR(OK);
	SAY(GET);
	assert_int_equal(fix.requests, 2);
}

/* ---- what goes wrong ---- */

static const struct {
	const char *response; /* then the server closes */
	const char *says;
} bad_gateways[] = {
	{ "", "h:80: the server closed the connection without an answer" },
	{ "HTTP/1.1 200 OK\r\nContent-", "without an answer" },
	{ "HTTP/1.1 100 Continue\r\n\r\n", "without an answer" },
	{ "220 mail.example.com ESMTP\r\n\r\n", "does not speak HTTP/1" },
	{ "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
	  "where the message ends" },
	{ "HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n", "unasked" },
};

static void test_bad_gateways(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad_gateways); i++) {
		ask(GET);
		send_text(server, bad_gateways[i].response);
		server_ends();
		if (strstr(bad_gateways[i].response, "100 Continue"))
			HEAR("HTTP/1.1 100 Continue\r\n\r\n");
		hear_page("502", bad_gateways[i].says);
		leave();
		assert_int_equal(fix.ends, 1);
		assert_true(strstr(fix.why.msg, bad_gateways[i].says));
	}
}

static void test_reset_before_the_answer(void **state)
{
	ask(GET);
	server_resets();
	hear_page("502", "h:80: the server reset the connection");
}

static const char *const cut[] = {
	"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nhalf",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\n",
};

/* An orderly end would look like the end of the body to many a client. */
static void test_an_answer_that_breaks_off_is_reset(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(cut); i++) {
		ask(GET);
		answer(cut[i]);
		hear(cut[i], strlen(cut[i]));
		server_ends();
		expect_reset(fix.client);
		expect_ended(ERR_LOST);
	}
	ask(GET);
	answer("HTTP/1.0 200 OK\r\n\r\nhalf");
	server_resets();
	HEAR("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhalf");
	expect_reset(fix.client);
	expect_ended(ERR_LOST);
}

static void unix_pair(int fds[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
}

/* A socket pair ends in order whatever happened; the owner knows better. */
static void test_a_cut_answer_is_reset(void **state)
{
	start();
	SAY(GET);
	attach_with(unix_pair);
	answer("HTTP/1.0 200 OK\r\n\r\nhalf");
	HEAR("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhalf");
	proxy_cut(fix.proxy);
	server_ends();
	expect_reset(fix.client);
	expect_ended(ERR_LOST);
}

static void test_a_cut_stream_is_reset(void **state)
{
	start();
	SAY("GET http://h/ HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n");
	attach_with(unix_pair);
	answer("HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n");
	HEAR("HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n");
	send_text(server, "half");
	proxy_cut(fix.proxy);
	server_ends();
	HEAR("half");
	expect_reset(fix.client);
}

/* The answer was complete, or the client has been told already: it is not bothered. */
static void test_a_cut_after_the_answer(void **state)
{
	start();
	SAY(GET);
	attach_with(unix_pair);
	send_text(server, OK);
	proxy_cut(fix.proxy);
	server_ends();
	HEAR(OK);
	proxy_cut(fix.proxy);
	SAY(GET);
	attach_with(unix_pair);
	answer("HTTP/1.0 200 OK\r\n\r\nall");
	server_ends();
	HEAR("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nall");
	proxy_cut(fix.proxy);
	hear_end();
}

/* It has been read to its end: how the server leaves then is its own business. */
static void test_a_reset_after_the_answer(void **state)
{
	enum { SIZE = 48000 };
	static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 48000\r\n\r\n";
	static char body[SIZE], got[SIZE];

	start_small();
	SAY(GET);
	attach();
	send_text(server, head);
	assert_int_equal(send(server, body, SIZE, MSG_NOSIGNAL), SIZE);
	turns();
	server_resets();
	HEAR("HTTP/1.1 200 OK\r\nContent-Length: 48000\r\n\r\n");
	for (size_t size = 0; size < SIZE; turns()) {
		ssize_t n = recv(fix.client, got, 4096, 0);

		assert_true(n > 0);
		size += (size_t)n;
	}
	SAY(GET);
	assert_int_equal(fix.requests, 2);
}

/* The end of a pair is a reset as well when something was not read there. */
static void test_an_early_answer_through_a_pair(void **state)
{
	start();
	SAY("POST http://h/ HTTP/1.1\r\nContent-Length: 100\r\n\r\nab");
	attach_with(unix_pair);
	send_text(server, "HTTP/1.0 413 Too Large\r\n\r\nno");
	closep(&server);
	turns();
	HEAR("HTTP/1.1 413 Too Large\r\nConnection: close\r\n\r\nno");
	hear_end();
}

/* After an upgrade: it takes no more, and what it has said is heard all the same. */
static void test_last_words_of_a_deaf_server(void **state)
{
	start();
	SAY("GET http://h/ HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n");
	attach_with(unix_pair);
	answer("HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n");
	HEAR("HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n");
	send_text(fix.client, "more");
	send_text(server, "last words");
	closep(&server);
	turns();
	HEAR("last words");
	hear_end();
}

static void test_malformed_chunks(void **state)
{
	ask("POST http://h/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
	SAY("xyz\r\n");
	hear_page("400", "a chunked HTTP body is malformed");
	ask(GET);
	answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n");
	expect_reset(fix.client);
	expect_ended(ERR_PROTOCOL);
}

static void test_a_request_that_breaks_off_resets_the_server(void **state)
{
	ask("POST http://h/ HTTP/1.1\r\nContent-Length: 9\r\n\r\nhalf");
	expect_bytes(server, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n"
			     "Connection: close\r\n\r\nhalf");
	leave();
	expect_reset(server);
	expect_ended(ERR_LOST);
}

static void test_a_client_that_resets(void **state)
{
	ask(GET);
	expect_bytes(server, GOT);
	local_socket_reset(TAKE_FD(fix.client));
	turns();
	expect_reset(server);
	expect_ended(ERR_NONE);
}

static void test_the_second_request_is_bad(void **state)
{
	ask(GET);
	answer(OK);
	HEAR(OK);
	SAY("GET / HTTP/1.1\r\n\r\n");
	hear_page("400", "not a web server");
}

static void test_time_between_requests(void **state)
{
	ask(GET);
	assert_false(loop_timer_is_set(&fix.proxy->limit));
	answer(OK);
	HEAR(OK);
	expire();
	hear_end();
	expect_ended(ERR_NONE);
	ask(GET);
	answer(OK);
	HEAR(OK);
	SAY("GET ");
	expire();
	hear_page("408", "did not finish its request");
}

/* RFC 9112 section 2.2: old clients send one after a body; it begins no request. */
static void test_a_line_end_after_a_body(void **state)
{
	static const char post[] = "POST http://h/ HTTP/1.1\r\nContent-Length: 3\r\n\r\n";

	start();
	SAY(post);
	attach();
	SAY("abc\r\n");
	answer(OK);
	HEAR(OK);
	SAY("\r\n");
	SAY(GET);
	attach();
	answer(OK);
	HEAR(OK);
	assert_int_equal(fix.requests, 2);
	SAY("\r\n");
	expire(); /* the wait for the next request, not for the rest of this */
	hear_end();
	expect_ended(ERR_NONE);
}

/* ---- bounds ---- */

/* Sends until the proxy takes no more; it then holds no more than it may. */
static void fill(int fd)
{
	static char bytes[16 * 1024];
	unsigned idle = 0;
	size_t sent = 0;

	while (idle < 3 && sent < 64 * 1024 * 1024) {
		ssize_t n = send(fd, bytes, sizeof(bytes), MSG_DONTWAIT | MSG_NOSIGNAL);

		assert_true(n > 0 || errno == EAGAIN);
		idle = n > 0 ? 0 : idle + 1;
		sent += n > 0 ? (size_t)n : 0;
		turns();
		assert_in_range(fix.proxy->up.bytes.capacity, 0, FLOW_SIZE);
		assert_in_range(fix.proxy->down.bytes.capacity, 0, FLOW_SIZE);
		assert_in_range(fix.proxy->up.text.size + fix.proxy->down.text.size, 0, 1024);
	}
	assert_int_equal(idle, 3);
}

static void test_a_client_that_does_not_read(void **state)
{
	start_small();
	SAY(GET);
	attach_with(tcp_pair_small);
	answer("HTTP/1.0 200 OK\r\n\r\n");
	fill(server);
}

static void test_a_server_that_does_not_read(void **state)
{
	start_small();
	SAY("POST http://h/ HTTP/1.1\r\nContent-Length: 999999999\r\n\r\n");
	attach_with(tcp_pair_small);
	fill(fix.client);
}

/* Interim responses without end go no faster than the client takes them. */
static void test_interim_responses_are_bounded(void **state)
{
	unsigned idle = 0;

	start_small();
	SAY(GET);
	attach_with(tcp_pair_small);
	while (idle < 3) {
		static const char interim[] = "HTTP/1.1 102 Wait\r\n\r\n";
		ssize_t n = send(server, interim, sizeof(interim) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);

		idle = n > 0 ? 0 : idle + 1;
		real_loop_turns(fix.loop, 2);
		assert_in_range(fix.proxy->down.bytes.capacity, 0, FLOW_SIZE);
		assert_in_range(fix.proxy->down.text.size, 0, 1024);
	}
}

static void test_free_during_an_exchange(void **state)
{
	ask(GET);
	expect_bytes(server, GOT);
	proxy_free(TAKE(fix.proxy), true);
	expect_reset(server);
	assert_int_equal(fix.ends, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_keep_alive_to_several_hosts),
		TEST(test_byte_by_byte),
		TEST(test_pipelined_requests_wait),
		TEST(test_exchanges),
		TEST(test_expect_continue),
		TEST(test_an_early_answer_ends_the_connection),
		TEST(test_a_server_that_reads_no_more_is_heard),
		TEST(test_half_closed_client_gets_its_answer),
		TEST(test_upgrade),
		TEST(test_upgrade_is_refused),
		TEST(test_bad_gateways),
		TEST(test_reset_before_the_answer),
		TEST(test_an_answer_that_breaks_off_is_reset),
		TEST(test_a_cut_answer_is_reset),
		TEST(test_a_cut_stream_is_reset),
		TEST(test_a_cut_after_the_answer),
		TEST(test_a_reset_after_the_answer),
		TEST(test_an_early_answer_through_a_pair),
		TEST(test_last_words_of_a_deaf_server),
		TEST(test_malformed_chunks),
		TEST(test_a_request_that_breaks_off_resets_the_server),
		TEST(test_a_client_that_resets),
		TEST(test_the_second_request_is_bad),
		TEST(test_time_between_requests),
		TEST(test_a_line_end_after_a_body),
		TEST(test_a_client_that_does_not_read),
		TEST(test_a_server_that_does_not_read),
		TEST(test_interim_responses_are_bounded),
		TEST(test_free_during_an_exchange),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}
