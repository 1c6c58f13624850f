/* SPDX-License-Identifier: MIT */
/*
 * The worker's side of a command, and its messages: asked for once, given back once, whatever comes in
 * which order.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/worker/command_call.h"
#include "lib/util.h"
#include "tests/unit/fake_loop.h"

static struct loop *loop;
static struct command_calls calls;
static unsigned asked, over; /* messages to the supervisor */
static uint64_t last_call, last_over;
static unsigned started, failed;
static int fd;
static struct err error;

void report_command(struct report *r, const struct wire_command *wanted)
{
	struct wire_command read;
	json_t *m = wire_command(wanted);
	struct err err;

	assert_int_equal(wire_read_command(m, &read, &err), 0);
	json_decref(m);
	assert_int_equal(read.tunnel, 7);
	assert_int_equal(read.route, 1);
	assert_int_equal(read.hop, 2);
	assert_string_equal(read.server, "me@db:22");
	asked++;
	last_call = read.call;
}

void report_command_end(struct report *r, uint64_t call)
{
	over++;
	last_over = call;
}

static void on_started(void *data, int started_fd)
{
	started++;
	fd = started_fd;
}

static void on_failed(void *data, const struct err *err)
{
	failed++;
	error = *err;
}

static const struct command_call_ops ops = { .on_started = on_started, .on_failed = on_failed };

static struct command_call *ask(void)
{
	struct wire_command wanted = { .tunnel = 7, .route = 1, .hop = 2, .server = "me@db:22" };
	struct err err;

	return command_call_new(&calls, &wanted, &ops, NULL, &err);
}

static void hear(json_t *m, bool is_start, size_t fd_count, int expected)
{
	int fds[1] = { open("/dev/null", O_RDONLY | O_CLOEXEC) };
	struct err err;

	assert_int_equal(is_start ? command_calls_started(&calls, m, fds, fd_count, &err)
				  : command_calls_ended(&calls, m, &err),
			 expected);
	json_decref(m);
	closep(&fds[0]);
}

static int set_up(void **state)
{
	loop = fake_loop_new();
	command_calls_init(&calls, loop, NULL);
	asked = over = started = failed = 0;
	fd = -1;
	return 0;
}

static int tear_down(void **state)
{
	command_calls_fini(&calls);
	fake_loop_advance(loop, 0);
	fake_loop_free(loop);
	closep(&fd);
	return 0;
}

static void test_a_whole_life(void **state)
{
	struct command_call *c = ask();
	struct err why;

	assert_int_equal(asked, 1);
	hear(wire_command_started(last_call, NULL), true, 1, 0);
	assert_int_equal(started, 1);
	assert_true(fcntl(fd, F_GETFD) >= 0);
	assert_null(command_call_end(c));
	err_set(&why, ERR_PROXY_COMMAND, "it ended");
	hear(wire_command_ended(last_call, &why), false, 0, 0);
	assert_int_equal(over, 1); /* now the supervisor lets the line end */
	assert_string_equal(command_call_end(c)->msg, "it ended");
	command_call_release(c, 0);
	assert_int_equal(over, 1);
	assert_int_equal(last_over, last_call);
}

static void test_released_while_it_runs(void **state)
{
	struct command_call *c = ask();

	hear(wire_command_started(last_call, NULL), true, 1, 0);
	command_call_release(c, 0);
	assert_int_equal(over, 1);
	assert_true(list_is_empty(&calls.all));
}

static void test_released_for_later(void **state)
{
	struct command_call *c = ask();
	struct err why;

	hear(wire_command_started(last_call, NULL), true, 1, 0);
	command_call_release(c, 3000);
	fake_loop_advance(loop, 2900);
	assert_int_equal(over, 0);
	fake_loop_advance(loop, 200);
	assert_int_equal(over, 1);
	/* one that ends before that is given back at once */
	c = ask();
	command_call_release(c, 3000);
	err_set(&why, ERR_PROXY_COMMAND, "it ended");
	hear(wire_command_ended(last_call, &why), false, 0, 0);
	assert_int_equal(over, 2);
	assert_true(list_is_empty(&calls.all));
}

/* Its socket is closed with the message. */
static void test_released_before_it_started(void **state)
{
	command_call_release(ask(), 0);
	hear(wire_command_started(last_call, NULL), true, 1, 0);
	assert_int_equal(started, 0);
	assert_int_equal(over, 1);
}

static void test_it_cannot_start(void **state)
{
	struct command_call *c = ask();
	struct err why;

	err_set(&why, ERR_CONFIG, "there is no such program");
	hear(wire_command_started(last_call, &why), true, 0, 0);
	assert_int_equal(failed, 1);
	assert_int_equal(error.code, ERR_CONFIG);
	assert_string_equal(error.msg, "there is no such program");
	command_call_release(c, 0);
	assert_int_equal(over, 0);
}

static void test_nonsense(void **state)
{
	struct command_call *c = ask();

	hear(wire_command_started(last_call, NULL), true, 0, -1);
	hear(wire_command_started(last_call + 1, NULL), true, 1, 0);
	hear(wire_command_ended(last_call + 1, NULL), false, 0, 0);
	hear(json_pack("{s:s}", "type", "command-started"), true, 0, -1);
	hear(json_pack("{s:s, s:i}", "type", "command-ended", "call", -1), false, 0, -1);
	assert_int_equal(started + failed + over, 0);
	command_call_release(c, 0);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_a_whole_life),       CASE(test_released_while_it_runs),
		CASE(test_released_for_later), CASE(test_released_before_it_started),
		CASE(test_it_cannot_start),    CASE(test_nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
