/* SPDX-License-Identifier: MIT */
/*
 * The line between supervisor and worker: what is sent arrives, in order and with its descriptors,
 * however slowly it is read; what is no message ends the line; and an owner that frees the port in
 * the middle of anything gets away with it. The far end is a second port or a bare socket.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/common/packet.h"
#include "lib/util.h"
#include "tests/unit/real_loop.h"

static struct loop *loop;

struct side {
	struct packet_port *port;
	unsigned received, closed;
	bool in_order;
	size_t fd_count; /* of the last message */
	int taken; /* the first descriptor of the last message, when take is set */
	bool take, free_on_message;
	struct err err;
};

static struct side near, far;
static int far_fd; /* the far end while there is no port on it */

static void on_message(void *data, const char *type, json_t *message, int *fds, size_t fd_count)
{
	struct side *side = data;
	json_t *seq = json_object_get(message, "seq");

	assert_string_equal(type, "test");
	side->in_order &= json_integer_value(seq) == side->received;
	side->received++;
	side->fd_count = fd_count;
	if (side->take && fd_count > 0)
		side->taken = TAKE_FD(fds[0]);
	if (side->free_on_message)
		packet_port_free(TAKE(side->port));
}

static void on_close(void *data, const struct err *err)
{
	struct side *side = data;

	side->closed++;
	side->err = *err;
	packet_port_free(TAKE(side->port));
}

static const struct packet_ops ops = { .on_message = on_message, .on_close = on_close };

static void port_open(struct side *side, int fd)
{
	struct err err;

	*side = (struct side){ .in_order = true, .taken = -1 };
	side->port = packet_port_new(loop, fd, &ops, side, &err);
	assert_non_null(side->port);
}

static void open_far_port(void)
{
	port_open(&far, TAKE_FD(far_fd));
}

static int set_up(void **state)
{
	int fds[2];

	loop = real_loop_new();
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds),
			 0);
	port_open(&near, fds[0]);
	far = (struct side){ .taken = -1 };
	far_fd = fds[1];
	return 0;
}

static int tear_down(void **state)
{
	packet_port_free(TAKE(near.port));
	packet_port_free(TAKE(far.port));
	closep(&near.taken);
	closep(&far.taken);
	closep(&far_fd);
	loop_free(loop);
	return 0;
}

/* {"type": "test", "seq": seq, "filler": "xxx..."} */
static json_t *message(unsigned seq, size_t filler)
{
	char *text = calloc(1, filler + 1);
	json_t *m;

	assert_non_null(text);
	memset(text, 'x', filler);
	m = json_pack("{s:s, s:i, s:s}", "type", "test", "seq", (int)seq, "filler", text);
	free(text);
	assert_non_null(m);
	return m;
}

static int send_plain(unsigned seq, size_t filler)
{
	return packet_send(near.port, message(seq, filler), NULL, 0);
}

static size_t open_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t count = 0;

	assert_non_null(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

static void send_raw(const void *bytes, size_t size, const int *fds, size_t fd_count)
{
	char control[CMSG_SPACE(sizeof(int) * 32)] = { 0 };
	struct iovec iov = { (void *)bytes, size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd_count > 0) {
		struct cmsghdr *c;

		msg.msg_control = control;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * fd_count);
	}
	assert_int_equal(sendmsg(far_fd, &msg, MSG_NOSIGNAL), size);
}

/* ---- messages ---- */

static void test_order_both_ways(void **state)
{
	open_far_port();
	for (unsigned i = 0; i < 200; i++) {
		assert_int_equal(send_plain(i, i), 0);
		assert_int_equal(packet_send(far.port, message(i, 10), NULL, 0), 0);
	}
	real_loop_turns(loop, 20);
	assert_int_equal(far.received, 200);
	assert_int_equal(near.received, 200);
	assert_true(far.in_order && near.in_order);
}

static void test_a_reader_that_is_slow_gets_everything(void **state)
{
	enum { COUNT = 3000 };

	for (unsigned i = 0; i < COUNT; i++)
		assert_int_equal(send_plain(i, 1000), 0);
	real_loop_turns(loop, 5); /* nobody reads */
	open_far_port();
	for (int i = 0; i < 1000 && far.received < COUNT; i++)
		real_loop_turns(loop, 1);
	assert_int_equal(far.received, COUNT);
	assert_true(far.in_order);
}

static void test_the_size_limit(void **state)
{
	json_t *empty = message(0, 0);
	size_t overhead = json_dumpb(empty, NULL, 0, JSON_COMPACT);

	json_decref(empty);
	open_far_port();
	assert_int_equal(send_plain(0, PACKET_SIZE_MAX - overhead + 1), -1);
	assert_int_equal(send_plain(0, PACKET_SIZE_MAX - overhead), 0);
	real_loop_turns(loop, 3);
	assert_int_equal(far.received, 1);
	assert_int_equal(far.closed, 0);
}

static void test_a_peer_that_never_reads_is_bounded(void **state)
{
	size_t queued = 0, size = PACKET_SIZE_MAX - 100;

	while (send_plain(0, size) == 0)
		queued += size;
	assert_true(queued <= PACKET_QUEUE_MAX + 1024 * 1024); /* some are in the kernel */
	assert_true(queued > PACKET_QUEUE_MAX / 2);
	real_loop_turns(loop, 2);
	assert_int_equal(near.closed, 0); /* who decides what that means is the owner */
}

/* ---- descriptors ---- */

static void test_descriptors_pass(void **state)
{
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	open_far_port();
	far.take = true;
	assert_int_equal(packet_send(near.port, message(0, 0), &fds[1], 1), 0);
	assert_int_equal(write(fds[1], "a", 1), 1); /* the sender keeps its own */
	close(fds[1]);
	real_loop_turns(loop, 3);
	assert_int_equal(far.fd_count, 1);
	assert_int_equal(fcntl(far.taken, F_GETFD), FD_CLOEXEC);
	assert_int_equal(write(far.taken, "b", 1), 1);
	close(fds[0]);
}

static void test_descriptors_nobody_took_are_closed(void **state)
{
	int fds[PACKET_FDS_MAX], ends[2];
	size_t before;

	assert_int_equal(pipe(ends), 0);
	for (size_t i = 0; i < PACKET_FDS_MAX; i++)
		fds[i] = ends[1];
	open_far_port();
	before = open_descriptors();
	assert_int_equal(packet_send(near.port, message(0, 0), fds, PACKET_FDS_MAX), 0);
	real_loop_turns(loop, 3);
	assert_int_equal(far.fd_count, PACKET_FDS_MAX);
	assert_int_equal(open_descriptors(), before);
	close(ends[0]);
	close(ends[1]);
}

static void test_descriptors_that_cannot_be_sent(void **state)
{
	int fds[PACKET_FDS_MAX + 1];
	size_t before = open_descriptors();

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = far_fd;
	assert_int_equal(packet_send(near.port, message(0, 0), fds, ARRAY_SIZE(fds)), -1);
	fds[1] = -1;
	assert_int_equal(packet_send(near.port, message(0, 0), fds, 2), -1);
	assert_int_equal(open_descriptors(), before);
}

/* ---- the end of the line ---- */

static void test_the_peer_closes(void **state)
{
	static const char last[] = "{\"type\":\"test\",\"seq\":0}";

	send_raw(last, sizeof(last) - 1, NULL, 0);
	closep(&far_fd);
	real_loop_turns(loop, 3);
	assert_int_equal(near.received, 1); /* what it said before is heard */
	assert_int_equal(near.closed, 1);
	assert_int_equal(near.err.code, ERR_LOST);
}

static void test_sending_to_a_closed_peer(void **state)
{
	closep(&far_fd);
	assert_int_equal(send_plain(0, 0), 0); /* told later, from the loop */
	assert_int_equal(near.closed, 0);
	assert_int_equal(send_plain(1, 0), -1);
	real_loop_turns(loop, 3);
	assert_int_equal(near.closed, 1);
	assert_int_equal(near.err.code, ERR_LOST);
}

static void test_nonsense_ends_the_line(void **state)
{
	static const struct {
		const char *bytes;
		const char *says;
	} cases[] = {
		{ "hello", "not a message" },
		{ "\x1b[31m{\xff", "not a message" },
		{ "[\"type\"]", "no type" },
		{ "\"test\"", "not a message" },
		{ "{}", "no type" },
		{ "{\"type\":1}", "no type" },
		{ "{\"type\":null}", "no type" },
		{ "{\"type\":\"test\",\"type\":\"test\"}", "duplicate" },
		{ "{\"type\":\"test\"} x", "not a message" },
		{ "{\"type\":\"te\\u0000st\"}", "not a message" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		if (i > 0)
			set_up(state);
		send_raw(cases[i].bytes, strlen(cases[i].bytes), NULL, 0);
		real_loop_turns(loop, 3);
		assert_int_equal(near.received, 0);
		assert_int_equal(near.closed, 1);
		assert_int_equal(near.err.code, ERR_PROTOCOL);
		assert_non_null(strstr(near.err.msg, cases[i].says));
		assert_null(strpbrk(near.err.msg, "\x1b\xff")); /* safe to print */
		if (i + 1 < ARRAY_SIZE(cases))
			tear_down(state);
	}
}

static void test_a_packet_that_is_too_large_ends_the_line(void **state)
{
	char *bytes = calloc(1, PACKET_SIZE_MAX + 1);

	assert_non_null(bytes);
	send_raw(bytes, PACKET_SIZE_MAX + 1, NULL, 0);
	free(bytes);
	real_loop_turns(loop, 3);
	assert_int_equal(near.closed, 1);
	assert_int_equal(near.err.code, ERR_PROTOCOL);
	assert_non_null(strstr(near.err.msg, "128 KiB"));
}

static void test_too_many_descriptors_end_the_line_and_are_closed(void **state)
{
	static const char bytes[] = "{\"type\":\"test\",\"seq\":0}";
	size_t before = open_descriptors();
	int fds[PACKET_FDS_MAX + 4];

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = far_fd;
	send_raw(bytes, sizeof(bytes) - 1, fds, ARRAY_SIZE(fds));
	real_loop_turns(loop, 3);
	assert_int_equal(near.received, 0);
	assert_int_equal(near.closed, 1);
	assert_int_equal(near.err.code, ERR_PROTOCOL);
	assert_int_equal(open_descriptors(), before - 1); /* the port's own */
}

/* ---- freeing inside a callback ---- */

static void test_free_while_messages_wait(void **state)
{
	open_far_port();
	near.free_on_message = true;
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(packet_send(far.port, message(i, 0), NULL, 0), 0);
	real_loop_turns(loop, 3);
	assert_int_equal(near.received, 1);
	assert_null(near.port);
	assert_int_equal(near.closed, 0);
	assert_int_equal(far.closed, 1);
}

static void test_free_before_the_news_of_the_end(void **state)
{
	closep(&far_fd);
	assert_int_equal(send_plain(0, 0), 0);
	packet_port_free(TAKE(near.port));
	real_loop_turns(loop, 3);
	assert_int_equal(near.closed, 0);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_order_both_ways),
		CASE(test_a_reader_that_is_slow_gets_everything),
		CASE(test_the_size_limit),
		CASE(test_a_peer_that_never_reads_is_bounded),
		CASE(test_descriptors_pass),
		CASE(test_descriptors_nobody_took_are_closed),
		CASE(test_descriptors_that_cannot_be_sent),
		CASE(test_the_peer_closes),
		CASE(test_sending_to_a_closed_peer),
		CASE(test_nonsense_ends_the_line),
		CASE(test_a_packet_that_is_too_large_ends_the_line),
		CASE(test_too_many_descriptors_end_the_line_and_are_closed),
		CASE(test_free_while_messages_wait),
		CASE(test_free_before_the_news_of_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
