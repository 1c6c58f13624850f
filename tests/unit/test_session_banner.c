/* SPDX-License-Identifier: MIT */
/*
 * What a fresh connection may say before "SSH-", over real TCP, with a clock the test moves: what
 * is taken for a server, what is refused and why, and that waiting never means polling.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/worker/session_banner.h"
#include "lib/util.h"
#include "tests/unit/fake_loop.h"
#include "tests/unit/sockets.h"

static struct loop *loop;
static struct session_banner banner;
static int fd, server; /* our end and the server's */
static unsigned tired;
static struct err err;

static void on_tired(struct session *session)
{
	tired++;
}

static int set_up(void **state)
{
	int fds[2];

	loop = fake_loop_new();
	tcp_pair(fds);
	fd = fds[0];
	server = fds[1];
	tired = 0;
	err = (struct err){ 0 };
	assert_int_equal(session_banner_open(&banner, loop, fd, on_tired, NULL), 0);
	return 0;
}

static int tear_down(void **state)
{
	session_banner_close(&banner);
	closep(&fd);
	closep(&server);
	fake_loop_free(loop);
	return 0;
}

static enum step step(void)
{
	return session_banner_step(&banner, &err);
}

static void assert_fails(enum err_code code, const char *part)
{
	assert_int_equal(step(), STEP_FAIL);
	assert_int_equal(err.code, code);
	if (!strstr(err.msg, part))
		fail_msg("'%s' is not in: %s", part, err.msg);
}

/* The loop would not call again for what is in the socket now. */
static void assert_sleeps(void)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	assert_int_equal(poll(&p, 1, 0), 0);
}

static void assert_next_is(const char *text)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	assert_int_equal(step(), STEP_NEXT);
	assert_int_equal(poll(&p, 1, 0), 1);
	expect_bytes(fd, text);
}

/* ---- servers ---- */

static void test_a_banner_stays_in_the_socket(void **state)
{
	send_text(server, "SSH-2.0-OpenSSH_9.2\r\n");
	assert_next_is("SSH-2.0-OpenSSH_9.2\r\n");
	assert_string_equal(banner.preamble, "");
	fake_loop_advance(loop, 60000);
	assert_int_equal(tired, 0);
}

static void test_lines_before_the_banner_are_skipped(void **state)
{
	send_text(server, "Welcome\r\n\r\nSSH is served here: SSH-1\nSSH-2.0-x\r\n");
	assert_next_is("SSH-2.0-x\r\n");
	assert_string_equal(banner.preamble, "Welcome");
}

/* Pieces of a long line may start with what looks like a banner. */
static void test_a_banner_starts_a_line(void **state)
{
	char text[600];

	memset(text, 'a', 512);
	strcpy(text + 512, "SSH-2.0-fake\nSSH-2.0-real\n");
	send_text(server, text);
	assert_next_is("SSH-2.0-real\n");
	assert_memory_equal(banner.preamble, "aaaa", 4);
	assert_string_equal(banner.preamble + strlen(banner.preamble) - 4, "a...");
}

static void test_byte_by_byte(void **state)
{
	static const char text[] = "Hi there\r\nSSX\nSSH";

	for (const char *c = text; *c; c++) {
		send_text(server, (char[]){ *c, '\0' });
		assert_int_equal(step(), STEP_WAIT);
		assert_sleeps();
	}
	assert_string_equal(banner.preamble, "Hi there");
	send_text(server, "-2.0-x");
	assert_next_is("SSH-2.0-x");
}

static void test_as_much_before_the_banner_as_openssh_takes(void **state)
{
	char text[8192 + 1];

	memset(text, '\n', 8192);
	text[8192] = '\0';
	send_text(server, text);
	assert_int_equal(step(), STEP_WAIT);
	send_text(server, "SSH-2.0-x");
	assert_next_is("SSH-2.0-x");
}

/* ---- others ---- */

static void test_too_many_lines(void **state)
{
	char text[9000 + 1];

	memset(text, '\n', 9000);
	text[9000] = '\0';
	send_text(server, text);
	assert_fails(ERR_NOT_SSH, "not an SSH server");
}

static void test_an_endless_line(void **state)
{
	char text[9000 + 1];

	memset(text, 'x', 9000);
	text[9000] = '\0';
	memcpy(text, "\x1b[2J\xff", 5);
	send_text(server, text);
	assert_fails(ERR_NOT_SSH, "'\\x1b[2J\\xffxxxx");
}

static void test_a_web_server_that_hangs_up(void **state)
{
	send_text(server, "HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n");
	assert_int_equal(step(), STEP_WAIT);
	assert_string_equal(banner.preamble, "HTTP/1.1 400 Bad Request");
	closep(&server);
	assert_fails(ERR_NOT_SSH, "'HTTP/1.1 400 Bad Request' and closed the connection");
}

static void test_an_overloaded_sshd_is_no_other_server(void **state)
{
	send_text(server, "Exceeded MaxStartups\r\n");
	closep(&server);
	assert_fails(ERR_LOST, "turning connections away: 'Exceeded MaxStartups'");
}

static void test_closed_at_once(void **state)
{
	closep(&server);
	assert_fails(ERR_LOST, "MaxStartups");
}

static void test_closed_after_half_a_prefix(void **state)
{
	send_text(server, "SSH");
	closep(&server);
	assert_fails(ERR_LOST, "closed the connection");
}

static void test_closed_while_half_a_prefix_is_waited_on(void **state)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	send_text(server, "SS");
	assert_int_equal(step(), STEP_WAIT);
	assert_sleeps();
	closep(&server);
	assert_int_equal(poll(&p, 1, 0), 1);
	assert_fails(ERR_LOST, "closed the connection");
}

static void test_reset(void **state)
{
	struct linger now = { .l_onoff = 1 };

	setsockopt(server, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	closep(&server);
	assert_fails(ERR_LOST, "no SSH banner");
}

/* ---- silence ---- */

static void test_a_server_that_waits_for_our_banner(void **state)
{
	assert_int_equal(step(), STEP_WAIT);
	assert_sleeps();
	fake_loop_advance(loop, 2999);
	assert_int_equal(tired, 0);
	assert_int_equal(step(), STEP_WAIT);
	fake_loop_advance(loop, 1);
	assert_int_equal(tired, 1);
	assert_int_equal(step(), STEP_NEXT);
}

/* Whoever has begun to speak does not wait for us: the deadline of the attempt decides. */
static void test_silence_in_the_middle(void **state)
{
	static const char *const said[] = { "Hello\n", "Hell", "SS" };

	for (size_t i = 0; i < ARRAY_SIZE(said); i++) {
		if (i > 0)
			set_up(state);
		send_text(server, said[i]);
		assert_int_equal(step(), STEP_WAIT);
		fake_loop_advance(loop, 60000);
		assert_int_equal(step(), STEP_WAIT);
		assert_sleeps();
		if (i + 1 < ARRAY_SIZE(said))
			tear_down(state);
	}
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_a_banner_stays_in_the_socket),
		CASE(test_lines_before_the_banner_are_skipped),
		CASE(test_a_banner_starts_a_line),
		CASE(test_byte_by_byte),
		CASE(test_as_much_before_the_banner_as_openssh_takes),
		CASE(test_too_many_lines),
		CASE(test_an_endless_line),
		CASE(test_a_web_server_that_hangs_up),
		CASE(test_an_overloaded_sshd_is_no_other_server),
		CASE(test_closed_at_once),
		CASE(test_closed_after_half_a_prefix),
		CASE(test_closed_while_half_a_prefix_is_waited_on),
		CASE(test_reset),
		CASE(test_a_server_that_waits_for_our_banner),
		CASE(test_silence_in_the_middle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
