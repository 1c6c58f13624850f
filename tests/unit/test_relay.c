/* SPDX-License-Identifier: MIT */
/*
 * The relay between a real TCP connection and a channel that follows a script: what the server got,
 * and what the client at the socket saw.
 */
#include <fcntl.h>
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
#include "daemon/worker/relay.h"
#include "lib/util.h"
#include "tests/unit/fake_channel.h"
#include "tests/unit/real_loop.h"
#include "tests/unit/sockets.h"

/* ---- the relay's owner ---- */

static struct loop *loop;
static struct relay *the_relay; /* NULL: ended */
static int client; /* the far end of the local socket */
static struct wire_counters counters;
static struct relay_scratch scratch;
static struct relay_traffic traffic;
static unsigned ended;
static bool ended_by_reset;

static void on_end(void *data, bool reset)
{
	assert_null(channel.ops);
	the_relay = NULL;
	ended_by_reset = reset;
	ended++;
}

static const struct relay_ops ops = { .on_end = on_end };

static void start_early(void (*make_pair)(int fds[2]), const char *early)
{
	struct relay_settings settings = {
		.loop = loop,
		.scratch = &scratch,
		.counters = &counters,
		.traffic = &traffic,
		.ops = &ops,
	};
	struct err err;
	int fds[2];

	make_pair(fds);
	client = fds[1];
	the_relay = relay_new(&settings, fds[0], &channel, early ? strdup(early) : NULL,
			      early ? strlen(early) : 0, &err);
	assert_non_null(the_relay);
	serve();
}

static void start_with(void (*make_pair)(int fds[2]))
{
	start_early(make_pair, NULL);
}

static void start(void)
{
	start_with(tcp_pair);
}

static void turns(void)
{
	real_loop_turns(loop, 4);
}

static void assert_written(const char *text)
{
	assert_int_equal(channel.written.length, strlen(text));
	assert_memory_equal(channel.written.data, text, strlen(text));
	assert_int_equal(counters.bytes_out, strlen(text));
}

static int set_up(void **state)
{
	loop = real_loop_new();
	counters = (struct wire_counters){ 0 };
	traffic = (struct relay_traffic){ 0 };
	ended = 0;
	fake_channel_open();
	client = -1;
	the_relay = NULL;
	return 0;
}

static int tear_down(void **state)
{
	if (the_relay)
		relay_end(the_relay, true);
	closep(&client);
	loop_free(loop);
	fake_channel_fini();
	return 0;
}

/* ---- bytes ---- */

static void test_both_directions(void **state)
{
	start();
	send_text(client, "question");
	turns();
	assert_written("question");
	arrive_text("answer");
	expect_bytes(client, "answer");
	assert_int_equal(counters.bytes_in, 6);
}

/* A proxy has read more than its handshake. */
static void test_early_bytes_come_first(void **state)
{
	start_early(tcp_pair, "early ");
	assert_written("early ");
	send_text(client, "late");
	turns();
	assert_written("early late");
	assert_int_equal(traffic.bytes_out, 10);
}

static void test_early_bytes_wait_for_the_window(void **state)
{
	channel.room = 0;
	start_early(tcp_pair, "early");
	send_text(client, " late");
	turns();
	assert_int_equal(channel.written.length, 0);
	channel.room = 65536;
	serve();
	turns();
	assert_written("early late");
}

/* A window opens by less than waits for it. */
static void test_early_bytes_take_several_windows(void **state)
{
	channel.room = 2;
	start_early(tcp_pair, "early");
	assert_written("ea");
	send_text(client, " late");
	widen(1);
	assert_written("ear");
	widen(2);
	turns();
	assert_written("early");
	widen(65536);
	turns();
	assert_written("early late");
}

/* A server that speaks first may do so in the packet after its confirmation. */
static void test_data_before_the_relay(void **state)
{
	strbuf_add_bytes(&channel.held, "220 hello", 9);
	channel.eof = true;
	start();
	expect_bytes(client, "220 hello");
	expect_eof(client);
	assert_int_equal(traffic.bytes_in, 9);
	assert_true(traffic.active_ms > 0);
}

static void test_draining_ends_with_the_local_side(void **state)
{
	start();
	relay_drain(the_relay);
	channel.takes = 0;
	send_text(client, "last words");
	turns();
	shutdown(client, SHUT_WR);
	turns();
	assert_int_equal(ended, 0);
	channel.takes = 65536;
	serve();
	turns();
	serve();
	assert_written("last words");
	assert_true(channel.eof_sent);
	assert_int_equal(ended, 1);
	assert_false(ended_by_reset);
}

static void test_only_what_the_window_takes_is_read(void **state)
{
	start();
	channel.room = 0;
	send_text(client, "0123456789");
	turns();
	assert_int_equal(channel.written.length, 0);
	channel.room = 4;
	serve();
	real_loop_turns(loop, 0);
	channel.room = 0;
	serve();
	turns();
	assert_written("0123");
	channel.room = 65536;
	serve();
	turns();
	assert_written("0123456789");
}

/* During a key re-exchange libssh takes nothing: what was read waits, and nothing overtakes it. */
static void test_refused_bytes_keep_their_order(void **state)
{
	start();
	channel.takes = 3;
	send_text(client, "abcdefgh");
	turns();
	channel.takes = 0;
	send_text(client, "ijkl");
	shutdown(client, SHUT_WR);
	turns();
	serve();
	turns();
	assert_written("abc");
	assert_false(channel.eof_sent);
	channel.takes = 2;
	serve();
	assert_written("abcde");
	channel.takes = 65536;
	serve();
	turns();
	assert_written("abcdefghijkl");
	assert_true(channel.eof_sent);
}

static char *noise_new(size_t size)
{
	char *bytes = malloc(size);
	uint32_t x = 1;

	assert_non_null(bytes);
	for (size_t i = 0; i < size; i++) {
		x = x * 1664525 + 1013904223;
		bytes[i] = (char)(x >> 24);
	}
	return bytes;
}

/* Reads until the end while the loop turns; returns the size. */
static size_t read_all(char *bytes, size_t capacity)
{
	uint64_t limit_ms = monotonic_ms() + REAL_LOOP_LIMIT_MS;
	size_t got = 0;
	ssize_t n = -1;

	while (n != 0 && got < capacity && ended == 0 && monotonic_ms() < limit_ms) {
		n = recv(client, bytes + got, MIN(capacity - got, 3000), MSG_DONTWAIT);
		if (n > 0)
			got += (size_t)n;
		real_loop_turns(loop, 1);
	}
	return got;
}

static void test_a_slow_reader_gets_everything_in_order(void **state)
{
	enum { SIZE = 600 * 1000 };
	CLEANUP(freep) char *sent = noise_new(SIZE), *got = malloc(SIZE + 1);
	size_t third = SIZE / 3;

	start_with(tcp_pair_small);
	assert_true(arrive(sent, third) < third);
	serve(); /* takes what libssh holds, or notes that the socket is full */
	assert_int_equal(arrive(sent + third, third), 0); /* while the socket is full */
	turns();
	assert_int_equal(arrive(sent + 2 * third, third), 0);
	channel.eof = true;
	serve();
	assert_int_equal(read_all(got, SIZE + 1), SIZE);
	assert_memory_equal(got, sent, SIZE);
	assert_int_equal(counters.bytes_in, SIZE);
	assert_int_equal(ended, 0); /* our direction is still open */
}

static void on_while_over(void *data)
{
	loop_quit(loop, 0);
}

/* Nothing happens for a while: the loop sleeps through it. */
static void assert_sleeps(void)
{
	struct loop_stats before, after;
	struct loop_timer timer;

	turns();
	loop_stats(loop, &before);
	assert_int_equal(loop_timer_open(&timer, loop, on_while_over, NULL), 0);
	loop_timer_set(&timer, 50);
	real_loop_run(loop);
	loop_timer_close(&timer);
	loop_stats(loop, &after);
	assert_in_range(after.turns - before.turns, 1, 3);
}

static void test_waiting_does_not_keep_the_loop_awake(void **state)
{
	CLEANUP(freep) char *sent = noise_new(300 * 1000);

	start_with(tcp_pair_small);
	assert_sleeps(); /* idle */
	channel.room = 0;
	send_text(client, "held back by the window");
	serve();
	assert_sleeps();
	arrive(sent, 300 * 1000); /* held back by the reader */
	serve();
	assert_sleeps();
	shutdown(client, SHUT_WR);
	assert_sleeps();
	assert_int_equal(ended, 0);
}

/* ---- ends ---- */

static void test_the_client_ends_first(void **state)
{
	start();
	send_text(client, "request");
	shutdown(client, SHUT_WR);
	turns();
	assert_written("request");
	assert_true(channel.eof_sent);
	assert_int_equal(ended, 0);
	arrive_text("late answer");
	expect_bytes(client, "late answer");
	channel.eof = true;
	serve();
	expect_eof(client);
	assert_int_equal(ended, 1);
}

static void test_the_server_ends_first(void **state)
{
	start();
	arrive_text("bye");
	channel.eof = true;
	serve();
	expect_bytes(client, "bye");
	expect_eof(client);
	assert_int_equal(ended, 0);
	send_text(client, "one more thing");
	turns();
	assert_written("one more thing");
	shutdown(client, SHUT_WR);
	turns();
	assert_true(channel.eof_sent);
	assert_int_equal(ended, 1);
}

/* CLOSE, not only EOF: there is nobody left to send to. */
static void test_the_server_closes(void **state)
{
	start();
	channel.eof = channel.closed = true;
	serve();
	expect_eof(client);
	assert_int_equal(ended, 1);
	assert_false(channel.eof_sent);
}

static void test_a_client_that_aborts_ends_it(void **state)
{
	start();
	local_socket_reset(TAKE_FD(client));
	turns();
	assert_int_equal(ended, 1);
	assert_null(channel.ops);
}

static void test_a_client_that_left_while_the_server_sends(void **state)
{
	start();
	channel.room = 0; /* so that only the send can notice */
	serve();
	local_socket_reset(TAKE_FD(client));
	arrive_text("for nobody");
	assert_int_equal(ended, 1);
}

/* ---- who leaves before all was passed on ---- */

static void unix_pair(int fds[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
}

static void start_blocked(void (*make_pair)(int fds[2]))
{
	start_with(make_pair);
	channel.room = 0;
	serve();
}

static void assert_passed_on(const char *text)
{
	assert_int_equal(ended, 0);
	channel.room = 65536;
	serve();
	turns();
	assert_written(text);
	assert_true(channel.eof_sent);
}

/* Both directions of the socket have ended; what was sent waits for the server's window. */
static void test_both_ends_are_said_and_not_all_is_read(void **state)
{
	start_blocked(tcp_pair);
	channel.eof = true;
	serve();
	expect_eof(client);
	send_text(client, "the answer");
	closep(&client);
	turns();
	assert_false(relay_is_abandoned(the_relay));
	assert_passed_on("the answer");
	assert_int_equal(ended, 1);
	assert_false(ended_by_reset);
}

/* Of a Unix socket no half is left then. */
static void test_a_client_that_sends_and_leaves(void **state)
{
	start_blocked(unix_pair);
	send_text(client, "a line for the log");
	closep(&client);
	turns();
	assert_false(relay_is_abandoned(the_relay));
	assert_passed_on("a line for the log");
	assert_int_equal(ended, 0); /* the server may still work on it */
	assert_true(relay_is_abandoned(the_relay));
}

/* The server's answers find nobody; the request is passed on all the same. */
static void leaves_without_an_answer(void (*make_pair)(int fds[2]))
{
	start_blocked(make_pair);
	send_text(client, "a long request");
	closep(&client);
	turns();
	for (int i = 0; i < 3; i++) { /* to TCP the first only brings the reset */
		arrive_text("an answer");
		turns();
	}
	assert_int_equal(channel.held.length, 0);
	assert_passed_on("a long request");
	assert_int_equal(ended, 1);
	assert_true(ended_by_reset);
}

static void test_a_tcp_client_that_wants_no_answer(void **state)
{
	leaves_without_an_answer(tcp_pair);
}

static void test_a_unix_client_that_wants_no_answer(void **state)
{
	leaves_without_an_answer(unix_pair);
}

static void test_a_client_that_resets_is_abandoned(void **state)
{
	start_blocked(tcp_pair);
	assert_false(relay_is_abandoned(the_relay));
	local_socket_reset(TAKE_FD(client));
	turns();
	assert_true(relay_is_abandoned(the_relay));
}

static void test_a_server_that_takes_nothing_from_a_reset_client(void **state)
{
	start_blocked(tcp_pair);
	send_text(client, "more than it takes");
	local_socket_reset(TAKE_FD(client));
	turns();
	traffic.active_ms = loop_now_ms(loop);
	assert_false(relay_is_abandoned(the_relay));
	traffic.active_ms -= RELAY_STUCK_MS;
	assert_true(relay_is_abandoned(the_relay));
}

/* ---- what goes wrong is a reset, never an orderly end ---- */

static void test_a_lost_session_is_a_reset(void **state)
{
	start();
	lose_session();
	assert_int_equal(ended, 1);
	assert_true(ended_by_reset);
	expect_reset(client);
}

/* It was over before: the server had closed the channel, and all of it was passed on. */
static void test_a_session_lost_after_the_channel(void **state)
{
	start();
	arrive("all of it", 9);
	channel.eof = channel.closed = true;
	lose_session();
	assert_int_equal(ended, 1);
	assert_false(ended_by_reset);
	expect_bytes(client, "all of it");
	expect_eof(client);
}

static void test_a_session_lost_after_both_ends(void **state)
{
	start();
	send_text(client, "all of it");
	shutdown(client, SHUT_WR);
	turns();
	channel.eof = true;
	lose_session();
	assert_false(ended_by_reset);
	expect_eof(client);
}

static void test_a_session_lost_after_one_end(void **state)
{
	start();
	channel.eof = true;
	lose_session();
	assert_true(ended_by_reset);
	expect_reset(client);
}

static void test_a_session_lost_before_all_was_passed_on(void **state)
{
	CLEANUP(freep) char *sent = noise_new(300 * 1000);

	start_with(tcp_pair_small);
	arrive(sent, 300 * 1000);
	channel.eof = channel.closed = true;
	lose_session();
	assert_true(ended_by_reset);
}

static void test_a_failed_write_is_a_reset(void **state)
{
	start();
	channel.writes_fail = true;
	send_text(client, "x");
	turns();
	assert_int_equal(ended, 1);
	expect_reset(client);
}

static void test_bytes_lost_in_the_channel_are_a_reset(void **state)
{
	CLEANUP(freep) char *sent = noise_new(300 * 1000), *got = malloc(300 * 1000);

	start_with(tcp_pair_small);
	arrive(sent, 300 * 1000);
	serve();
	channel.take_fails = true;
	channel.eof = true;
	read_all(got, 300 * 1000);
	assert_int_equal(ended, 1);
	assert_true(counters.bytes_in < 300 * 1000);
}

/* ---- the owner ends it ---- */

static void test_ending_with_a_reset(void **state)
{
	start();
	relay_end(TAKE(the_relay), true);
	assert_int_equal(ended, 0);
	assert_null(channel.ops);
	expect_reset(client);
}

static void test_ending_in_order(void **state)
{
	start();
	arrive_text("last");
	relay_end(TAKE(the_relay), false);
	expect_bytes(client, "last");
	expect_eof(client);
	assert_int_equal(ended, 0);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_both_directions),
		CASE(test_early_bytes_come_first),
		CASE(test_early_bytes_wait_for_the_window),
		CASE(test_early_bytes_take_several_windows),
		CASE(test_data_before_the_relay),
		CASE(test_draining_ends_with_the_local_side),
		CASE(test_only_what_the_window_takes_is_read),
		CASE(test_refused_bytes_keep_their_order),
		CASE(test_a_slow_reader_gets_everything_in_order),
		CASE(test_waiting_does_not_keep_the_loop_awake),
		CASE(test_the_client_ends_first),
		CASE(test_the_server_ends_first),
		CASE(test_the_server_closes),
		CASE(test_a_client_that_aborts_ends_it),
		CASE(test_a_client_that_left_while_the_server_sends),
		CASE(test_both_ends_are_said_and_not_all_is_read),
		CASE(test_a_client_that_sends_and_leaves),
		CASE(test_a_tcp_client_that_wants_no_answer),
		CASE(test_a_unix_client_that_wants_no_answer),
		CASE(test_a_client_that_resets_is_abandoned),
		CASE(test_a_server_that_takes_nothing_from_a_reset_client),
		CASE(test_a_lost_session_is_a_reset),
		CASE(test_a_session_lost_after_the_channel),
		CASE(test_a_session_lost_after_both_ends),
		CASE(test_a_session_lost_after_one_end),
		CASE(test_a_session_lost_before_all_was_passed_on),
		CASE(test_a_failed_write_is_a_reset),
		CASE(test_bytes_lost_in_the_channel_are_a_reset),
		CASE(test_ending_with_a_reset),
		CASE(test_ending_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
