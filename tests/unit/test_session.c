/* SPDX-License-Identifier: MIT */
/*
 * Who waits for something on a session is asked whenever libssh has read or written anything, in
 * whatever call that was. libssh is replaced by a script: what it polls next, and whether its buffer is
 * empty.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <libssh/callbacks.h>
#include <libssh/libssh.h>

#include <cmocka.h>

#include "daemon/worker/session.h"
#include "lib/util.h"
#include "tests/unit/fake_loop.h"
#include "tests/unit/sockets.h"

static struct loop *loop;
static struct session *session;
static struct loop_io *io; /* the session's, which is ready when a test says so */
static int server;
static struct session_member waiter; /* blocks each time it is asked */
static unsigned asked;

/* ---- libssh ---- */

static ssh_counter raw;
static unsigned arriving; /* packets in the socket */
static bool full; /* its buffer */
static bool empties; /* the socket takes the buffer at the next poll */
static const char *reason; /* the server has left; NULL: it has not */
static struct err lost; /* what the owner was told */

static bool poll_once(void)
{
	if (reason) /* 0.11 goes on reading the socket it was given, and finds its end */
		reason = "Socket error: disconnected";
	if (arriving > 0) {
		arriving--;
		raw->in_packets++;
		return true;
	}
	if (!full || !empties)
		return false;
	full = false;
	return true;
}

int ssh_event_dopoll(ssh_event event, int timeout)
{
	return poll_once() ? SSH_OK : SSH_AGAIN;
}

int ssh_get_status(ssh_session ssh)
{
	return (full ? SSH_WRITE_PENDING : 0) | (reason ? SSH_CLOSED_ERROR : 0);
}

const char *ssh_get_error(void *ssh)
{
	return reason ? reason : "";
}

int ssh_get_poll_flags(ssh_session ssh)
{
	return full ? SSH_WRITE_PENDING : 0;
}

void ssh_set_counters(ssh_session ssh, ssh_counter socket_counter, ssh_counter raw_counter)
{
	raw = raw_counter;
}

int ssh_connect(ssh_session ssh)
{
	return SSH_OK;
}

int ssh_is_connected(ssh_session ssh)
{
	return 1;
}

/* Their memory is never looked into. */
ssh_event ssh_event_new(void)
{
	return (ssh_event)&raw;
}

int ssh_event_add_session(ssh_event event, ssh_session ssh)
{
	return SSH_OK;
}

int ssh_event_remove_session(ssh_event event, ssh_session ssh)
{
	return SSH_OK;
}

void ssh_event_free(ssh_event event)
{
}

void ssh_disconnect(ssh_session ssh)
{
}

/* ---- the loop ---- */

int loop_io_open(struct loop_io *new, struct loop *l, int fd, unsigned interest, loop_io_fn fn,
		 void *data)
{
	*new = (struct loop_io){ .loop = l, .fd = fd, .on_ready = fn, .data = data };
	io = new;
	return 0;
}

void loop_io_want(struct loop_io *one, unsigned interest)
{
	one->interest = interest;
}

void loop_io_close(struct loop_io *one)
{
	*one = (struct loop_io){ .fd = -1 };
}

/* ---- the session ---- */

static void on_progress(void *data)
{
}

static void on_lost(void *data, const struct err *err)
{
	lost = *err;
}

static const struct session_ops ops = { .on_progress = on_progress, .on_lost = on_lost };

static void on_service(struct session_member *m)
{
	asked++;
	session_block(m);
}

static void on_member_lost(struct session_member *m)
{
}

static struct session_member member(void (*service)(struct session_member *m))
{
	return (struct session_member){ .on_service = service, .on_lost = on_member_lost };
}

static int set_up(void **state)
{
	char host[] = "h", user[] = "u";
	struct connection_settings connection = { .host = host, .port = 22, .user = user };
	struct session_settings settings = { .connection = &connection,
					     .host_key_algorithms = "ssh-ed25519" };
	struct err err = { 0 };
	int fds[2];

	arriving = asked = 0;
	full = empties = false;
	reason = NULL;
	lost = (struct err){ 0 };
	loop = fake_loop_new();
	tcp_pair(fds);
	server = fds[1];
	session = session_new(loop, &ops, NULL, &err);
	if (session_open(session, fds[0], &settings, &err) < 0)
		fail_msg("%s", err.msg);
	send_text(server, "SSH-2.0-x\r\n");
	while (session_step_banner(session, &err) == STEP_WAIT)
		continue;
	assert_int_equal(session_step_kex(session, &err), STEP_NEXT);
	session_set_up(session);

	waiter = member(on_service);
	session_join(session, &waiter);
	session_attend(&waiter);
	fake_loop_advance(loop, 0);
	assert_int_equal(asked, 1);
	return 0;
}

static int tear_down(void **state)
{
	assert_string_equal(lost.msg, reason ? "the server ended the session: maintenance" : "");
	session_close(session);
	fake_loop_free(loop);
	closep(&server);
	return 0;
}

static void ready(void)
{
	io->on_ready(io->data, LOOP_READ);
}

/* Nothing is left to happen: whoever was not asked until now waits for the next packet. */
static void assert_asked(unsigned times)
{
	fake_loop_advance(loop, 0);
	assert_int_equal(asked, times);
}

static void test_what_the_loop_announces(void **state)
{
	arriving = 1;
	ready();
	assert_asked(2);
	assert_asked(2); /* once for it */
}

/* A turn was scheduled; the socket was ready before its time came, and that was the news. What comes
 * between the two is read by a turn that has none. */
static void test_what_a_turn_finds_that_came_for_nothing(void **state)
{
	session_touch(session);
	ready();
	assert_int_equal(asked, 2);
	arriving = 1;
	assert_asked(3);
}

static void test_what_a_last_look_finds(void **state)
{
	arriving = 1;
	session_pump(session);
	assert_int_equal(asked, 1); /* its caller may be anywhere */
	assert_asked(2);
	session_pump(session); /* nothing is there */
	assert_asked(2);
}

static void read_for_others(struct session_member *m)
{
	raw->in_packets++;
}

static void test_what_another_member_reads(void **state)
{
	struct session_member reader = member(read_for_others);

	session_join(session, &reader);
	session_attend(&reader);
	ready();
	assert_int_equal(asked, 2); /* before the reader was */
	assert_asked(3);
	session_leave(&reader);
}

static void test_room_in_the_buffer(void **state)
{
	full = true;
	ready();
	assert_asked(1);
	assert_int_equal(io->interest, LOOP_READ | LOOP_WRITE);

	empties = true;
	ready();
	assert_asked(2);
	assert_int_equal(io->interest, LOOP_READ);
}

static void fill(struct session_member *m)
{
	full = true;
}

static void empty(struct session_member *m)
{
	full = false;
}

/* Who opens a channel writes and polls, and that can be all it takes: the socket is never waited for. */
static void test_room_that_comes_and_goes_within_a_turn(void **state)
{
	static struct session_member filler, emptier;

	filler = member(fill);
	emptier = member(empty);
	session_join(session, &filler);
	session_join(session, &emptier);
	session_attend(&filler);
	session_attend(&waiter);
	session_attend(&emptier);
	ready();
	assert_int_equal(asked, 2);
	assert_asked(3);
	assert_int_equal(io->interest, LOOP_READ);
	session_leave(&filler);
	session_leave(&emptier);
}

static void go_on(struct session_member *m)
{
	session_attend(m);
}

/* More than a turn serves, and one of them has news each time before it is its turn. */
static void test_news_cost_nobody_his_place(void **state)
{
	static struct session_member crowd[300];

	for (size_t i = 0; i < ARRAY_SIZE(crowd); i++) {
		crowd[i] = member(go_on);
		session_join(session, &crowd[i]);
		session_attend(&crowd[i]);
	}
	for (int turn = 0; turn < 3; turn++) {
		session_attend(&waiter);
		ready();
	}
	assert_int_equal(asked, 2);
	for (size_t i = 0; i < ARRAY_SIZE(crowd); i++)
		session_leave(&crowd[i]);
}

static void hear_last_words(struct session_member *m)
{
	reason = "Received SSH_MSG_DISCONNECT: 11:maintenance";
}

/* Whoever calls libssh after that loses them; waiter was to be asked too. */
static void test_last_words_that_a_member_reads(void **state)
{
	struct session_member reader = member(hear_last_words);

	full = true; /* which a turn would poll for once more */
	session_join(session, &reader);
	session_attend(&reader);
	session_attend(&waiter);
	ready();
	assert_asked(1);
	session_leave(&reader);
}

static void test_a_refusal_that_is_the_end(void **state)
{
	assert_int_equal(session_verdict(session, SSH_AUTH_DENIED), SSH_AUTH_DENIED);
	assert_int_equal(session_verdict(session, SSH_AUTH_PARTIAL), SSH_AUTH_PARTIAL);
	hear_last_words(NULL);
	assert_int_equal(session_verdict(session, SSH_AUTH_DENIED), SSH_AUTH_ERROR);
	assert_int_equal(session_verdict(session, SSH_AUTH_AGAIN), SSH_AUTH_AGAIN);
	session_touch(session);
	fake_loop_advance(loop, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(test_what_the_loop_announces),
		TEST(test_what_a_turn_finds_that_came_for_nothing),
		TEST(test_what_a_last_look_finds),
		TEST(test_what_another_member_reads),
		TEST(test_room_in_the_buffer),
		TEST(test_room_that_comes_and_goes_within_a_turn),
		TEST(test_news_cost_nobody_his_place),
		TEST(test_last_words_that_a_member_reads),
		TEST(test_a_refusal_that_is_the_end),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
