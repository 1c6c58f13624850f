/* SPDX-License-Identifier: MIT */
/*
 * Two TCP connections joined by a pump: what is sent at one far end arrives at the other, with its
 * end, its reset and its slowness.
 */
#include <errno.h>
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
#include "daemon/worker/pump.h"
#include "daemon/worker/relay.h"
#include "lib/util.h"
#include "tests/unit/real_loop.h"
#include "tests/unit/sockets.h"

static struct loop *loop;
static struct pump *pump; /* NULL: ended */
static int left, right; /* the far ends */
static unsigned ended;
static uint64_t active_ms;
static bool was_reset;

static void on_end(void *data, bool reset)
{
	pump = NULL;
	ended++;
	was_reset = reset;
}

static const struct pump_ops ops = { .on_end = on_end };

typedef void (*make_pair_fn)(int fds[2]);

static void unix_pair(int fds[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
}

static void start_between(make_pair_fn make_left, make_pair_fn make_right, const char *early)
{
	struct err err;
	int a[2], b[2];

	make_left(a);
	make_right(b);
	left = a[1];
	right = b[1];
	pump = pump_new(loop, a[0], b[0], early ? strdup(early) : NULL, early ? strlen(early) : 0,
			&active_ms, &ops, NULL, &err);
	assert_non_null(pump);
}

static void start_with(make_pair_fn make_pair, const char *early)
{
	start_between(make_pair, make_pair, early);
}

static void start(void)
{
	start_with(tcp_pair, NULL);
}

static void turns(void)
{
	real_loop_turns(loop, 4);
}

static int set_up(void **state)
{
	loop = real_loop_new();
	left = right = -1;
	ended = 0;
	return 0;
}

static int tear_down(void **state)
{
	pump_free(TAKE(pump), false);
	loop_free(loop);
	closep(&left);
	closep(&right);
	return 0;
}

static void test_both_directions(void **state)
{
	start();
	send_text(left, "question");
	turns();
	expect_bytes(right, "question");
	send_text(right, "answer");
	turns();
	expect_bytes(left, "answer");
}

static void test_early_bytes_go_first(void **state)
{
	start_with(tcp_pair, "early");
	send_text(left, " late");
	turns();
	expect_bytes(right, "early late");
}

static void test_half_close(void **state)
{
	start();
	send_text(left, "question");
	shutdown(left, SHUT_WR);
	turns();
	expect_bytes(right, "question");
	expect_eof(right);
	send_text(right, "answer");
	turns();
	expect_bytes(left, "answer");
	assert_int_equal(ended, 0);
	shutdown(right, SHUT_WR);
	turns();
	expect_eof(left);
	assert_int_equal(ended, 1);
	assert_false(was_reset);
}

static void test_half_close_the_other_way(void **state)
{
	start();
	shutdown(right, SHUT_WR);
	turns();
	expect_eof(left);
	send_text(left, "last words");
	closep(&left);
	turns();
	expect_bytes(right, "last words");
	expect_eof(right);
	assert_int_equal(ended, 1);
	assert_false(was_reset);
}

static void test_reset_passes(void **state)
{
	start();
	local_socket_reset(TAKE_FD(left));
	turns();
	expect_reset(right);
	assert_int_equal(ended, 1);
	assert_true(was_reset);
}

static void test_reset_passes_the_other_way(void **state)
{
	start();
	local_socket_reset(TAKE_FD(right));
	turns();
	expect_reset(left);
	assert_true(was_reset);
}

/* The first send of early bytes fails within pump_new(); the owner hears of it afterwards. */
static void test_broken_from_the_start(void **state)
{
	struct err err;
	int a[2], b[2];

	tcp_pair(a);
	tcp_pair(b);
	left = a[1];
	local_socket_reset(b[1]);
	pump = pump_new(loop, a[0], b[0], strdup("early"), 5, &active_ms, &ops, NULL, &err);
	assert_non_null(pump);
	assert_int_equal(ended, 0);
	turns();
	assert_int_equal(ended, 1);
	assert_true(was_reset);
	expect_reset(left);
}

/* Sends until nobody takes more. */
static size_t fill(int fd)
{
	static char bytes[16 * 1024];
	size_t sent = 0;
	unsigned idle = 0;

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(i % 251);
	while (idle < 3) {
		ssize_t n = send(fd, bytes, sizeof(bytes), MSG_DONTWAIT | MSG_NOSIGNAL);

		assert_true(n > 0 || errno == EAGAIN);
		idle = n > 0 ? 0 : idle + 1;
		sent += n > 0 ? (size_t)n : 0;
		turns();
	}
	return sent;
}

static void drain(int fd, size_t size)
{
	char bytes[16 * 1024];
	unsigned idle = 0;

	while (size > 0 && idle < 1000) {
		ssize_t n = recv(fd, bytes, MIN(size, sizeof(bytes)), MSG_DONTWAIT);

		idle = n > 0 ? 0 : idle + 1;
		size -= n > 0 ? (size_t)n : 0;
		turns();
	}
	assert_int_equal(size, 0);
}

/* A reader that does not read holds the writer up, not the other direction. */
static void test_back_pressure(void **state)
{
	size_t sent;

	start_with(tcp_pair_small, NULL);
	sent = fill(left);
	assert_true(sent < 8 * 1024 * 1024);
	send_text(right, "the other way");
	turns();
	expect_bytes(left, "the other way");
	drain(right, sent);
	send_text(left, "again");
	turns();
	expect_bytes(right, "again");
}

/* The end of one that was held up comes after its bytes. */
static void test_end_waits_for_the_bytes(void **state)
{
	size_t sent;

	start_with(tcp_pair_small, NULL);
	sent = fill(left);
	shutdown(left, SHUT_WR);
	turns();
	drain(right, sent);
	turns();
	expect_eof(right);
}

static void test_reset_while_held_up(void **state)
{
	start_with(tcp_pair_small, NULL);
	fill(left);
	local_socket_reset(TAKE_FD(right));
	turns();
	assert_int_equal(ended, 1);
	assert_true(was_reset);
}

/* ---- who leaves before all was passed on ---- */

/* One side has sent more than the other has read so far, and wants no answer. */
static void leaves_without_an_answer(int *from, int to)
{
	size_t sent = fill(*from);

	closep(from);
	send_text(to, "an answer");
	turns();
	assert_int_equal(ended, 0);
	drain(to, sent);
	turns();
	expect_eof(to);
	assert_int_equal(ended, 1);
	assert_false(was_reset);
}

static void test_what_the_left_sent_before_it_left(void **state)
{
	start_between(unix_pair, tcp_pair_small, NULL);
	leaves_without_an_answer(&left, right);
}

static void test_what_the_right_sent_before_it_left(void **state)
{
	start_between(tcp_pair_small, unix_pair, NULL);
	leaves_without_an_answer(&right, left);
}

/* It had said that no more would come, and all of it was passed on; for answers nobody is left. */
static void test_left_after_its_end(void **state)
{
	start_between(unix_pair, tcp_pair, NULL);
	send_text(left, "last words");
	shutdown(left, SHUT_WR);
	turns();
	closep(&left);
	send_text(right, "an answer");
	turns();
	assert_int_equal(ended, 1);
	assert_false(was_reset);
	expect_bytes(right, "last words");
	expect_eof(right);
}

static void test_told_that_the_left_has_gone(void **state)
{
	size_t sent;

	start_between(unix_pair, tcp_pair_small, NULL);
	sent = fill(left);
	closep(&left);
	send_text(right, "an answer");
	pump_leave(pump);
	assert_int_equal(ended, 0);
	drain(right, sent);
	turns();
	expect_eof(right); /* nobody waits for the end of the right */
	assert_int_equal(ended, 1);
	assert_false(was_reset);
}

static void test_nobody_waits_for_ever(void **state)
{
	start_between(unix_pair, tcp_pair_small, NULL);
	fill(left);
	active_ms -= RELAY_STUCK_MS;
	assert_false(pump_is_stuck(pump)); /* only slow */
	closep(&left);
	turns();
	pump_leave(pump);
	assert_false(pump_is_stuck(pump));
	active_ms -= RELAY_STUCK_MS;
	assert_true(pump_is_stuck(pump));
}

static void test_told_after_its_end(void **state)
{
	start_between(unix_pair, tcp_pair, NULL);
	shutdown(left, SHUT_WR);
	turns();
	assert_int_equal(ended, 0);
	pump_leave(pump);
	assert_int_equal(ended, 1);
	expect_eof(right);
}

static void test_both_are_reset(void **state)
{
	start();
	pump_free(TAKE(pump), true);
	expect_reset(left);
	expect_reset(right);
	assert_int_equal(ended, 0);
	pump_free(NULL, true);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_both_directions),
		TEST(test_early_bytes_go_first),
		TEST(test_half_close),
		TEST(test_half_close_the_other_way),
		TEST(test_reset_passes),
		TEST(test_reset_passes_the_other_way),
		TEST(test_broken_from_the_start),
		TEST(test_back_pressure),
		TEST(test_end_waits_for_the_bytes),
		TEST(test_reset_while_held_up),
		TEST(test_what_the_left_sent_before_it_left),
		TEST(test_what_the_right_sent_before_it_left),
		TEST(test_left_after_its_end),
		TEST(test_told_that_the_left_has_gone),
		TEST(test_told_after_its_end),
		TEST(test_nobody_waits_for_ever),
		TEST(test_both_are_reset),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}
