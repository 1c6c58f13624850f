/* SPDX-License-Identifier: MIT */
/*
 * The worker's end of listening sockets, on the real loop with real ones: when clients are accepted,
 * when they wait, and when they are reset. What brings clients in again may come without an event
 * of the acceptor's own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/worker/acceptor.h"
#include "lib/util.h"
#include "tests/unit/real_loop.h"
#include "tests/unit/sockets.h"

#define TURNS 5 /* more than anything here needs to come to rest */
#define LONG_MS 60000 /* a hold that does not end in a test */
#define SHORT_MS 30

/* ---- its owner ---- */

static struct loop *loop;
static int spare_fd;
static struct worker_parts parts;
static struct acceptor acceptor;
static unsigned port; /* of the listening socket */

static bool room, quits_on_client, quits_on_change;
static unsigned clients, waitings, changes, last_offset;
static struct sockaddr_storage last_from;

static bool has_room(void *data)
{
	return room;
}

static void on_client(void *data, int fd, const struct sockaddr_storage *from, unsigned port_offset)
{
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	send_text(fd, "served");
	close(fd);
	clients++;
	last_from = *from;
	last_offset = port_offset;
	if (quits_on_client)
		loop_quit(loop, 0);
}

static void on_waiting(void *data)
{
	waitings++;
}

static void on_change(void *data)
{
	changes++;
	if (quits_on_change)
		loop_quit(loop, 0);
}

static const struct acceptor_ops ops = {
	.has_room = has_room,
	.on_client = on_client,
	.on_waiting = on_waiting,
	.on_change = on_change,
};

static int listen_nonblocking(unsigned *ret_port)
{
	int fd = tcp_listen(ret_port);

	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

static void open_acceptor(unsigned first_port, unsigned hold_ms)
{
	struct err err;

	assert_int_equal(acceptor_init(&acceptor, &parts, "local:test", first_port, hold_ms, &ops,
				       NULL, &err),
			 0);
}

/* With one socket, in this mode. */
static void start(enum acceptor_mode mode, unsigned hold_ms)
{
	int fd = listen_nonblocking(&port);

	open_acceptor(0, hold_ms);
	acceptor_set_mode(&acceptor, mode);
	assert_int_equal(acceptor_replace_sockets(&acceptor, 1), 0);
	assert_int_equal(acceptor_add_sockets(&acceptor, &fd, 1), 0);
	assert_int_equal(fd, -1);
	changes = 0;
}

static int set_up(void **state)
{
	loop = real_loop_new();
	spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_true(spare_fd >= 0);
	parts = (struct worker_parts){ .loop = loop, .spare_fd = &spare_fd };
	room = true;
	quits_on_client = quits_on_change = false;
	clients = waitings = changes = last_offset = 0;
	return 0;
}

static int tear_down(void **state)
{
	acceptor_fini(&acceptor);
	loop_free(loop);
	close(spare_fd);
	return 0;
}

/* ---- its clients ---- */

static int connect_to(unsigned to_port)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_port = htons((uint16_t)to_port),
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void turns(void)
{
	real_loop_turns(loop, TURNS);
}

static void run_until_served(void)
{
	unsigned before = clients;

	quits_on_client = true;
	real_loop_run(loop);
	assert_int_equal(clients, before + 1);
	quits_on_client = false;
}

static void run_until_change(void)
{
	quits_on_change = true;
	real_loop_run(loop);
	quits_on_change = false;
}

static void see_service(int fd)
{
	expect_bytes(fd, "served");
	expect_eof(fd);
	close(fd);
}

static void see_reset(int fd)
{
	expect_reset(fd);
	close(fd);
}

static void on_heard(void *data, unsigned ready)
{
	loop_quit(loop, 0);
}

/* Without any other event, from the owner's side. */
static void run_until_heard(int fd)
{
	struct loop_io io = { 0 };

	assert_int_equal(loop_io_open(&io, loop, fd, LOOP_READ, on_heard, NULL), 0);
	real_loop_run(loop);
	loop_io_close(&io);
}

/* ---- serving ---- */

static void test_served(void **state)
{
	int client;

	start(ACCEPTOR_SERVES, LONG_MS);
	client = connect_to(port);
	run_until_served();
	see_service(client);
	assert_int_equal(last_from.ss_family, AF_INET);
	assert_int_equal(waitings + changes, 0);
}

/* A full session has room again when connections of another forward end, which is told to nobody. */
static void test_room_that_comes_back_untold(void **state)
{
	int client;

	room = false;
	start(ACCEPTOR_SERVES, LONG_MS);
	client = connect_to(port);
	turns();
	assert_int_equal(clients, 0);
	assert_true(acceptor_has_waiting(&acceptor));
	room = true;
	run_until_served();
	see_service(client);
}

static void test_room_that_is_told(void **state)
{
	int client;

	room = false;
	start(ACCEPTOR_SERVES, LONG_MS);
	client = connect_to(port);
	turns();
	room = true;
	acceptor_rearm(&acceptor);
	turns(); /* at once */
	assert_int_equal(clients, 1);
	see_service(client);
}

static void test_the_last_place(void **state)
{
	int first, second;

	start(ACCEPTOR_SERVES, LONG_MS);
	first = connect_to(port);
	run_until_served();
	room = false;
	second = connect_to(port);
	turns();
	assert_int_equal(clients, 1);
	room = true;
	run_until_served();
	see_service(first);
	see_service(second);
}

/* ---- without descriptors ---- */

static struct rlimit files;

static void exhaust_descriptors(void)
{
	int next = dup(spare_fd);
	struct rlimit none;

	assert_true(next >= 0);
	close(next);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
	none = files;
	none.rlim_cur = (rlim_t)next;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
}

static void restore_descriptors(void)
{
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
}

static void test_descriptors_that_come_back(void **state)
{
	int client;

	start(ACCEPTOR_SERVES, LONG_MS);
	client = connect_to(port);
	exhaust_descriptors();
	turns();
	assert_int_equal(clients, 0);
	assert_true(acceptor.paused);
	acceptor_rearm(&acceptor); /* room is not what it lacks */
	assert_true(acceptor.paused);
	restore_descriptors();
	run_until_served();
	assert_false(acceptor.paused);
	see_service(client);
}

/* Who has waited for as long as anybody may is reset with the one descriptor in reserve. */
static void test_the_spare_descriptor(void **state)
{
	int first, second;

	start(ACCEPTOR_SERVES, SHORT_MS);
	first = connect_to(port);
	exhaust_descriptors();
	run_until_heard(first);
	expect_reset(first);
	assert_true(fcntl(spare_fd, F_GETFD) >= 0);
	assert_int_equal(clients, 0);
	restore_descriptors();
	close(first);
	second = connect_to(port);
	run_until_served();
	see_service(second);
}

/* ---- holding ---- */

static void test_held_until_there_is_a_session(void **state)
{
	int client;

	start(ACCEPTOR_HOLDS, LONG_MS);
	client = connect_to(port);
	turns();
	assert_int_equal(clients, 0);
	assert_int_equal(waitings, 1); /* once, however long */
	assert_int_equal(changes, 1);
	assert_true(acceptor_is_holding(&acceptor));
	acceptor_set_mode(&acceptor, ACCEPTOR_SERVES);
	assert_false(acceptor_is_holding(&acceptor));
	run_until_served();
	see_service(client);
}

static void test_held_in_vain(void **state)
{
	int first, second;

	start(ACCEPTOR_HOLDS, SHORT_MS);
	first = connect_to(port);
	run_until_change();
	assert_true(acceptor_is_holding(&acceptor));
	run_until_change();
	assert_false(acceptor_is_holding(&acceptor));
	see_reset(first);
	second = connect_to(port); /* the next one has a clock of his own */
	run_until_change();
	assert_true(acceptor_is_holding(&acceptor));
	assert_int_equal(waitings, 2);
	run_until_change();
	see_reset(second);
	assert_int_equal(clients, 0);
}

/* Descriptors are not what they wait for. */
static void in_vain_without_descriptors(enum acceptor_mode mode)
{
	int first, second;

	start(ACCEPTOR_HOLDS, SHORT_MS);
	first = connect_to(port);
	second = connect_to(port);
	run_until_change();
	exhaust_descriptors();
	if (mode == ACCEPTOR_HOLDS)
		run_until_change();
	else
		acceptor_set_mode(&acceptor, mode);
	turns();
	restore_descriptors();
	assert_false(acceptor_has_waiting(&acceptor));
	see_reset(first);
	see_reset(second);
	assert_true(fcntl(spare_fd, F_GETFD) >= 0);
}

static void test_held_in_vain_without_descriptors(void **state)
{
	in_vain_without_descriptors(ACCEPTOR_HOLDS);
}

static void test_refused_without_descriptors(void **state)
{
	in_vain_without_descriptors(ACCEPTOR_REFUSES);
}

/* A session that is lost again does not give clients that wait more time. */
static void test_holding_goes_on(void **state)
{
	int client;

	start(ACCEPTOR_HOLDS, SHORT_MS);
	client = connect_to(port);
	run_until_change();
	acceptor_set_mode(&acceptor, ACCEPTOR_HOLDS);
	assert_true(acceptor_is_holding(&acceptor));
	assert_int_equal(changes, 1);
	run_until_change();
	see_reset(client);
}

static void test_no_hold(void **state)
{
	int client;

	start(ACCEPTOR_HOLDS, 0);
	client = connect_to(port);
	turns();
	assert_int_equal(waitings, 1); /* but he makes the tunnel hurry */
	assert_false(acceptor_is_holding(&acceptor));
	see_reset(client);
}

static void test_refused(void **state)
{
	int waiting, late;

	start(ACCEPTOR_HOLDS, LONG_MS);
	waiting = connect_to(port);
	turns();
	acceptor_set_mode(&acceptor, ACCEPTOR_REFUSES);
	late = connect_to(port);
	turns();
	see_reset(waiting);
	see_reset(late);
	assert_int_equal(clients, 0);
	assert_false(acceptor_has_waiting(&acceptor));
}

/* ---- sockets ---- */

static void test_where_in_a_range(void **state)
{
	unsigned ports[2], first;
	int fds[2];

	for (size_t i = 0; i < 2; i++)
		fds[i] = listen_nonblocking(&ports[i]);
	first = MIN(ports[0], ports[1]);
	open_acceptor(first, LONG_MS);
	acceptor_set_mode(&acceptor, ACCEPTOR_SERVES);
	assert_int_equal(acceptor_replace_sockets(&acceptor, 2), 0);
	assert_int_equal(acceptor_add_sockets(&acceptor, fds, 2), 0);
	for (size_t i = 0; i < 2; i++) {
		int client = connect_to(ports[i]);

		run_until_served();
		assert_int_equal(last_offset, ports[i] - first);
		see_service(client);
	}
}

/* They come in several messages; a range is served as a whole or not at all. */
static void test_sockets_in_pieces(void **state)
{
	unsigned ports[3];
	int fds[3], client;

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = listen_nonblocking(&ports[i]);
	open_acceptor(0, LONG_MS);
	acceptor_set_mode(&acceptor, ACCEPTOR_SERVES);
	assert_int_equal(acceptor_replace_sockets(&acceptor, 2), 0);
	assert_int_equal(acceptor_add_sockets(&acceptor, fds, 1), 0);
	client = connect_to(ports[0]);
	turns();
	assert_int_equal(clients, 0);
	assert_int_equal(acceptor_add_sockets(&acceptor, fds + 1, 2), 0);
	assert_int_equal(fds[1], -1);
	assert_true(fds[2] >= 0); /* not expected: the caller's */
	run_until_served();
	see_service(client);
	close(fds[2]);
}

static void test_other_sockets(void **state)
{
	unsigned other_port;
	int other = listen_nonblocking(&other_port), client;

	start(ACCEPTOR_SERVES, LONG_MS);
	client = connect_to(port);
	assert_int_equal(acceptor_replace_sockets(&acceptor, 1), 0);
	see_reset(client); /* the backlog went with its socket */
	assert_int_equal(acceptor_add_sockets(&acceptor, &other, 1), 0);
	client = connect_to(other_port);
	run_until_served();
	see_service(client);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_served),
		CASE(test_room_that_comes_back_untold),
		CASE(test_room_that_is_told),
		CASE(test_the_last_place),
		CASE(test_descriptors_that_come_back),
		CASE(test_the_spare_descriptor),
		CASE(test_held_in_vain_without_descriptors),
		CASE(test_refused_without_descriptors),
		CASE(test_held_until_there_is_a_session),
		CASE(test_held_in_vain),
		CASE(test_holding_goes_on),
		CASE(test_no_hold),
		CASE(test_refused),
		CASE(test_where_in_a_range),
		CASE(test_sockets_in_pieces),
		CASE(test_other_sockets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
