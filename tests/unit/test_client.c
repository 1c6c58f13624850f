/* SPDX-License-Identifier: MIT */
#include <sys/socket.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/supervisor/client.h"
#include "lib/util.h"

#define PATIENCE_MS 10000

/* A server that answers Echo with its parameters, Later when it is told to, Stream in many pieces
 * and Big with 100 KiB. */
struct fixture {
	struct loop *loop;
	struct loop_timer patience;
	struct client *client;
	int peer; /* the other end */
	struct loop_io peer_io;
	char *got; /* what the peer read: messages ended by NUL */
	size_t got_size, messages, wanted; /* the loop stops at so many messages */
	bool deaf; /* the peer does not read */
	bool closed;
	unsigned calls, gone, pieces;
	struct call *later;
	int taken; /* a duplicate of the connection, after an upgrade; -1: none */
};

static void on_gone(void *data)
{
	((struct fixture *)data)->gone++;
}

static void take(void *data, int fd)
{
	((struct fixture *)data)->taken = dup(fd);
}

static bool stream_step(struct call *call, void *data)
{
	struct fixture *f = data;
	struct client *client = call->client;

	while (f->pieces > 1 && call_has_room(call)) {
		f->pieces--;
		call_continue(call, json_pack("{s:s}", "text", "0123456789012345678901234567890"));
		if (client->closed)
			return false;
	}
	if (f->pieces > 1) {
		if (f->deaf)
			loop_quit(f->loop, 2);
		return true;
	}
	call_reply(call, NULL);
	return false;
}

static void dispatch(void *data, struct call *call)
{
	struct fixture *f = data;

	f->calls++;
	if (strcmp(call->request.method, "x.Later") == 0) {
		f->later = call;
		call_defer(call, on_gone, f);
	} else if (strcmp(call->request.method, "x.Stream") == 0) {
		call_stream(call, stream_step, on_gone, f);
	} else if (strcmp(call->request.method, "x.Big") == 0) {
		char text[100 * 1024];

		memset(text, 'x', sizeof(text));
		call_reply(call, json_pack("{s:s#}", "text", text, (int)sizeof(text)));
	} else {
		call_reply(call, json_incref(call->request.parameters));
	}
}

static void on_closed(void *data, struct client *client)
{
	struct fixture *f = data;

	f->closed = true;
	loop_quit(f->loop, 0);
}

static void on_peer(void *data, unsigned ready)
{
	struct fixture *f = data;
	char bytes[65536];
	ssize_t n = recv(f->peer, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (n <= 0)
		return;
	f->got = realloc(f->got, f->got_size + (size_t)n);
	memcpy(f->got + f->got_size, bytes, (size_t)n);
	f->got_size += (size_t)n;
	for (ssize_t i = 0; i < n; i++)
		f->messages += bytes[i] == '\0';
	if (f->messages >= f->wanted)
		loop_quit(f->loop, 0);
}

static void on_impatience(void *data)
{
	loop_quit(((struct fixture *)data)->loop, 1);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int pair[2];

	f->loop = loop_new(NULL);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
		return -1;
	f->peer = pair[1];
	f->taken = -1;
	f->client = client_new(f->loop, pair[0], 0, dispatch, f, on_closed, f);
	*state = f;
	return loop_timer_open(&f->patience, f->loop, on_impatience, f) |
	       loop_io_open(&f->peer_io, f->loop, f->peer, 0, on_peer, f);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	if (!f->closed)
		client_close(f->client);
	loop_io_close(&f->peer_io);
	loop_timer_close(&f->patience);
	loop_free(f->loop);
	closep(&f->peer);
	closep(&f->taken);
	free(f->got);
	free(f);
	return 0;
}

/* Until the peer has so many messages in all, or the client was closed. */
static void run(struct fixture *f, size_t wanted)
{
	f->wanted = wanted;
	loop_io_want(&f->peer_io, f->deaf ? 0 : LOOP_READ);
	loop_timer_set(&f->patience, PATIENCE_MS);
	assert_int_equal(loop_run(f->loop), 0);
	loop_timer_stop(&f->patience);
}

static void say(struct fixture *f, const char *bytes, size_t size)
{
	assert_int_equal(send(f->peer, bytes, size, 0), size);
}

static void call(struct fixture *f, const char *text)
{
	say(f, text, strlen(text) + 1);
}

static void hang_up(struct fixture *f)
{
	loop_io_close(&f->peer_io);
	closep(&f->peer);
}

static void run_until_closed(struct fixture *f)
{
	loop_timer_set(&f->patience, PATIENCE_MS);
	while (!f->closed)
		assert_int_equal(loop_run(f->loop), 0);
}

static void test_replies_keep_the_order_of_calls(void **state)
{
	struct fixture *f = *state;
	const char *at;

	for (int i = 0; i < 50; i++) {
		char text[80];

		snprintf(text, sizeof(text), "{\"method\":\"x.Echo\",\"parameters\":{\"n\":%d}}",
			 i);
		call(f, text);
	}
	run(f, 50);
	at = f->got;
	for (int i = 0; i < 50; i++) {
		char text[40];

		snprintf(text, sizeof(text), "{\"n\":%d}", i);
		assert_non_null(strstr(at, text));
		at += strlen(at) + 1;
	}
}

static void test_a_call_that_waits_holds_back_the_next(void **state)
{
	struct fixture *f = *state;

	call(f, "{\"method\":\"x.Echo\"}");
	call(f, "{\"method\":\"x.Later\"}");
	call(f, "{\"method\":\"x.Echo\"}");
	run(f, 1);
	while (!f->later)
		run(f, 1);
	assert_int_equal(f->calls, 2);
	assert_int_equal(f->messages, 1);
	call_reply(f->later, NULL);
	run(f, 3);
	assert_int_equal(f->calls, 3);
	assert_int_equal(f->gone, 0);
}

static void test_byte_by_byte(void **state)
{
	struct fixture *f = *state;
	static const char text[] = "{\"method\":\"x.Echo\",\"parameters\":{\"a\":\"b\"}}";

	for (size_t i = 0; i < sizeof(text); i++)
		say(f, text + i, 1);
	run(f, 1);
	assert_non_null(strstr(f->got, "\"b\""));
}

static void test_oneway_calls_are_not_answered(void **state)
{
	struct fixture *f = *state;

	call(f, "{\"method\":\"x.Big\",\"oneway\":true}");
	call(f, "{\"method\":\"x.Echo\",\"parameters\":{\"last\":1}}");
	run(f, 1);
	assert_int_equal(f->calls, 2);
	assert_non_null(strstr(f->got, "last"));
}

static void test_nonsense_closes(void **state)
{
	struct fixture *f = *state;

	call(f, "hello");
	run(f, 1);
	assert_true(f->closed);
	assert_int_equal(f->calls, 0);
}

static void test_who_half_closes_still_gets_the_answer(void **state)
{
	struct fixture *f = *state;

	call(f, "{\"method\":\"x.Echo\"}");
	shutdown(f->peer, SHUT_WR);
	run(f, 1);
	if (!f->closed)
		run(f, 2);
	assert_true(f->closed);
	assert_int_equal(f->messages, 1);
}

static void test_who_leaves_takes_the_waiting_call_along(void **state)
{
	struct fixture *f = *state;

	call(f, "{\"method\":\"x.Echo\"}");
	call(f, "{\"method\":\"x.Later\"}");
	while (!f->later)
		run(f, 1);
	hang_up(f);
	run_until_closed(f);
	assert_int_equal(f->gone, 1);
}

/* More than a turn's worth, and nobody stays to see what becomes of them. */
static void test_what_came_before_the_end_is_carried_out(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 50; i++)
		call(f, "{\"method\":\"x.Echo\",\"oneway\":true}");
	hang_up(f);
	run_until_closed(f);
	assert_int_equal(f->calls, 50);
}

/* The first answer finds out that nobody reads it. */
static void test_nor_do_answers_in_vain_end_it(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 200; i++)
		call(f, "{\"method\":\"x.Echo\",\"parameters\":{\"text\":\"0123456789\"}}");
	hang_up(f);
	run_until_closed(f);
	assert_int_equal(f->calls, 200);
}

/* What takes its time is waited for, because the next may need it; ... */
static void test_calls_of_who_has_left_keep_their_order(void **state)
{
	struct fixture *f = *state;

	call(f, "{\"method\":\"x.Later\",\"oneway\":true}");
	call(f, "{\"method\":\"x.Echo\",\"oneway\":true}");
	hang_up(f);
	while (!f->later || !f->client->left) {
		loop_timer_set(&f->patience, 1);
		assert_int_equal(loop_run(f->loop), 1);
	}
	assert_int_equal(f->calls, 1);
	call_reply(f->later, NULL);
	run_until_closed(f);
	assert_int_equal(f->calls, 2);
	assert_int_equal(f->gone, 0);
}

/* ... what only tells, or waits to tell, is not. */
static void test_nobody_is_told_who_has_left(void **state)
{
	struct fixture *f = *state;
	unsigned all = f->pieces = 1000000;

	call(f, "{\"method\":\"x.Later\"}");
	call(f, "{\"method\":\"x.Stream\",\"more\":true}");
	call(f, "{\"method\":\"x.Stream\",\"oneway\":true}");
	call(f, "{\"method\":\"x.Echo\",\"oneway\":true}");
	call(f, "{\"method\":\"x.Later\",\"upgrade\":true,\"oneway\":true}");
	call(f, "what comes then is for somebody else");
	hang_up(f);
	run_until_closed(f);
	assert_int_equal(f->calls, 5);
	assert_int_equal(f->gone, 4);
	assert_int_equal(f->pieces, all);
	assert_int_equal(f->taken, -1);
}

/* The peer reads nothing: a stream waits for it, and goes on when it does. */
static void test_a_stream_waits_for_its_reader(void **state)
{
	struct fixture *f = *state;
	unsigned all = f->pieces = 50000;

	f->deaf = true;
	call(f, "{\"method\":\"x.Stream\",\"more\":true}");
	loop_timer_set(&f->patience, PATIENCE_MS);
	assert_int_equal(loop_run(f->loop), 2); /* stream_step() found no room */
	assert_in_range(f->pieces, all / 2, all - 1);
	assert_true(f->client->out_size < 2 * CLIENT_UNSENT_ENOUGH);
	f->deaf = false;
	run(f, all);
	assert_int_equal(f->messages, all);
	assert_int_equal(f->gone, 0);
}

static void test_who_reads_nothing_is_dropped(void **state)
{
	struct fixture *f = *state;

	f->deaf = true;
	for (int i = 0; i < 50; i++)
		call(f, "{\"method\":\"x.Big\"}");
	run(f, 50);
	assert_true(f->closed);
	assert_in_range(f->calls, 10, 49);
}

/* ---- upgrades ---- */

static void wait_for_later(struct fixture *f)
{
	call(f, "{\"method\":\"x.Echo\"}");
	call(f, "{\"method\":\"x.Later\",\"upgrade\":true}");
	while (!f->later)
		run(f, 1);
}

/* What the client says before it is answered, and after, is read by whom it gets. */
static void test_an_upgrade_takes_the_connection_along(void **state)
{
	struct fixture *f = *state;
	char bytes[16] = { 0 };

	wait_for_later(f);
	assert_true(call_is_last(f->later));
	say(f, "early ", 6);
	loop_timer_set(&f->patience, 1); /* the client is seen, and left alone */
	assert_int_equal(loop_run(f->loop), 1);
	call_upgrade(f->later, NULL, take);
	assert_true(f->closed);
	assert_int_equal(f->gone, 0);
	f->closed = true;
	f->wanted = 2;
	loop_io_want(&f->peer_io, LOOP_READ);
	while (f->messages < 2)
		loop_run(f->loop);
	say(f, "late", 4);
	assert_int_equal(recv(f->taken, bytes, sizeof(bytes), 0), 10);
	assert_string_equal(bytes, "early late");
}

static void test_who_leaves_before_an_upgrade_is_noticed(void **state)
{
	struct fixture *f = *state;

	wait_for_later(f);
	say(f, "early", 5);
	loop_timer_set(&f->patience, 1);
	assert_int_equal(loop_run(f->loop), 1);
	hang_up(f);
	run_until_closed(f);
	assert_int_equal(f->gone, 1);
}

static void test_an_upgrade_that_is_refused_leaves_a_client(void **state)
{
	struct fixture *f = *state;

	wait_for_later(f);
	call(f, "{\"method\":\"x.Echo\"}");
	call_error(f->later, "x.No", NULL);
	run(f, 3);
	assert_int_equal(f->messages, 3);
	assert_false(f->closed);
}

#define client_test(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		client_test(test_replies_keep_the_order_of_calls),
		client_test(test_a_call_that_waits_holds_back_the_next),
		client_test(test_byte_by_byte),
		client_test(test_oneway_calls_are_not_answered),
		client_test(test_nonsense_closes),
		client_test(test_who_half_closes_still_gets_the_answer),
		client_test(test_who_leaves_takes_the_waiting_call_along),
		client_test(test_what_came_before_the_end_is_carried_out),
		client_test(test_nor_do_answers_in_vain_end_it),
		client_test(test_calls_of_who_has_left_keep_their_order),
		client_test(test_nobody_is_told_who_has_left),
		client_test(test_a_stream_waits_for_its_reader),
		client_test(test_who_reads_nothing_is_dropped),
		client_test(test_an_upgrade_takes_the_connection_along),
		client_test(test_who_leaves_before_an_upgrade_is_noticed),
		client_test(test_an_upgrade_that_is_refused_leaves_a_client),
	};

	return cmocka_run_group_tests_name("client", tests, NULL, NULL);
}
