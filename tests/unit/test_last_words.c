/* SPDX-License-Identifier: MIT */
/*
 * A connection through a proxy is a chain: a socket, a proxy or a pump, a pair of sockets, a relay, a
 * channel. Whichever part ends first, what was taken before is passed on by the others. The channel
 * follows a script, and so does the way to the service.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "daemon/worker/connection.h"
#include "daemon/worker/local_socket.h"
#include "daemon/worker/outgoing.h"
#include "daemon/worker/relay.h"
#include "lib/util.h"
#include "tests/unit/fake_channel.h"
#include "tests/unit/real_loop.h"
#include "tests/unit/sockets.h"

#define SOCKS4_TO_LOCALHOST "\4\1\0\120\177\0\0\1\0"
#define SOCKS4_GRANTED "\0\132\0\0\0\0\0\0"
#define UPGRADE "GET http://h/ HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"
#define SWITCHING "HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"

static struct worker_parts parts;
static struct relay_scratch scratch;
static uint64_t last_connection;
static struct config_forward spec;
static struct connection_home home;
static struct outgoing *wanted; /* the service that is to be connected; NULL: none is */
static int client, service; /* the far ends */
static unsigned ended;

/* ---- the ends of the chain ---- */

struct channel_pipe *channel_pipe_open(struct session *s, const char *host, unsigned port,
				       const struct channel_origin *origin,
				       const struct channel_pipe_ops *ops, void *data,
				       struct err *err)
{
	channel_pipe_set_ops(&channel, ops, data);
	return &channel;
}

struct channel_pipe *channel_pipe_adopt(struct session *s, ssh_channel ssh,
					const struct channel_pipe_ops *ops, void *data,
					struct err *err)
{
	return channel_pipe_open(s, "", 0, NULL, ops, data, err);
}

int outgoing_start(struct outgoing *o, const struct worker_parts *p, const char *host,
		   uint16_t port, const struct outgoing_ops *ops, void *data, struct err *err)
{
	*o = (struct outgoing){ .ops = ops, .data = data };
	wanted = o;
	return 0;
}

void outgoing_stop(struct outgoing *o)
{
}

static void on_opening(void *data)
{
}

static void on_reached(void *data, struct connection *c, const struct err *err)
{
	assert_null(err);
}

static void on_end(void *data, struct connection *c)
{
	ended++;
}

static const struct connection_ops ops = { .on_opening = on_opening,
					   .on_reached = on_reached,
					   .on_end = on_end };

static int set_up(void **state)
{
	static char name[] = "f";

	parts = (struct worker_parts){ .loop = real_loop_new(),
				       .scratch = &scratch,
				       .last_connection = &last_connection };
	spec = (struct config_forward){ .name = name };
	connection_home_init(&home, &parts, &spec, 1, &ops, NULL);
	home.session = (struct session *)&home; /* never looked into */
	fake_channel_open();
	client = service = -1;
	wanted = NULL;
	ended = 0;
	return 0;
}

static int tear_down(void **state)
{
	connection_home_end_all(&home, true);
	assert_null(channel.ops);
	closep(&client);
	closep(&service);
	loop_free(parts.loop);
	fake_channel_fini();
	return 0;
}

static void turns(void)
{
	for (int i = 0; i < 4; i++) {
		real_loop_turns(parts.loop, 2);
		serve();
	}
}

static void assert_written(const char *bytes, size_t size)
{
	assert_int_equal(channel.written.length, size);
	assert_memory_equal(channel.written.data, bytes, size);
	strbuf_fini(&channel.written);
}
#define ASSERT_WRITTEN(text) assert_written(text, sizeof(text) - 1)

/* ---- the client is at the channel's end ---- */

static void start_at_the_server(void)
{
	struct err err;
	int fds[2];

	assert_non_null(connection_open_remote_dynamic(&home, NULL, "client", &err));
	arrive(SOCKS4_TO_LOCALHOST, sizeof(SOCKS4_TO_LOCALHOST) - 1);
	turns();
	assert_non_null(wanted);
	tcp_pair(fds);
	service = fds[1];
	wanted->ops->on_connected(wanted->data, fds[0]);
	turns();
	ASSERT_WRITTEN(SOCKS4_GRANTED);
}

static void test_a_service_that_answers_and_resets(void **state)
{
	start_at_the_server();
	channel.room = 0;
	send_text(service, "the answer");
	turns();
	local_socket_reset(TAKE_FD(service));
	turns();
	assert_int_equal(ended, 0);
	widen(65536);
	turns();
	ASSERT_WRITTEN("the answer");
	assert_int_equal(ended, 1);
}

static void test_a_client_that_asks_and_closes(void **state)
{
	start_at_the_server();
	arrive_text("a request");
	channel.eof = channel.closed = true;
	turns();
	assert_int_equal(ended, 1); /* an answer would find nobody */
	expect_bytes(service, "a request");
	expect_eof(service);
}

static void test_a_client_that_half_closes(void **state)
{
	start_at_the_server();
	arrive_text("a request");
	channel.eof = true;
	turns();
	expect_bytes(service, "a request");
	expect_eof(service);
	assert_int_equal(ended, 0);
	channel.room = 0;
	send_text(service, "the answer");
	closep(&service);
	turns();
	assert_int_equal(ended, 0);
	widen(65536);
	turns();
	ASSERT_WRITTEN("the answer");
	assert_true(channel.eof_sent);
	assert_int_equal(ended, 1);
}

/* ---- the client is at the socket's end ---- */

static void test_last_words_after_an_upgrade(void **state)
{
	struct channel_origin from = { .host = "127.0.0.1", .port = 4711 };
	struct err err;
	int fds[2];

	tcp_pair(fds);
	client = fds[1];
	assert_non_null(connection_open_dynamic(&home, fds[0], &from, &err));
	send_text(client, UPGRADE);
	real_loop_turns(parts.loop, 4);
	channel.ops->on_open(channel.data, NULL);
	turns();
	strbuf_fini(&channel.written);
	arrive_text(SWITCHING "bye");
	channel.eof = true;
	turns();
	expect_bytes(client, SWITCHING "bye");
	expect_eof(client);

	channel.room = 0;
	send_text(client, "one more thing");
	closep(&client);
	turns();
	assert_int_equal(ended, 0);
	widen(65536);
	turns();
	ASSERT_WRITTEN("one more thing");
	assert_true(channel.eof_sent);
	assert_int_equal(ended, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_a_service_that_answers_and_resets),
		TEST(test_a_client_that_asks_and_closes),
		TEST(test_a_client_that_half_closes),
		TEST(test_last_words_after_an_upgrade),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}
