/* SPDX-License-Identifier: MIT */
/*
 * TCP to whichever address answers first, on loopback: ports that listen, that refuse, and one that
 * says nothing because its backlog is full.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/worker/dial.h"
#include "lib/util.h"
#include "tests/unit/real_loop.h"
#include "tests/unit/sockets.h"

static struct loop *loop;
static struct dial *dial;
static bool frees; /* in its callbacks */
static unsigned connected, failed;
static int fd; /* what was connected */
static char where[80];
static struct err err;
static struct dial_options options; /* of the next dial */

static void end(void)
{
	if (frees)
		dial_free(TAKE(dial));
	loop_quit(loop, 0);
}

static void on_connected(void *data, int connected_fd, const struct address *address)
{
	connected++;
	fd = connected_fd;
	address_format(address, where, sizeof(where));
	end();
}

static void on_failed(void *data, const struct err *why)
{
	failed++;
	err = *why;
	end();
}

static const struct dial_ops ops = { .on_connected = on_connected, .on_failed = on_failed };

/* ---- addresses ---- */

static struct address address_of(const char *host, unsigned port)
{
	struct address a = { 0 };
	struct sockaddr_in *v4 = (struct sockaddr_in *)&a.sa;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&a.sa;

	if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
		a.sa.ss_family = AF_INET;
		a.length = sizeof(*v4);
	} else {
		assert_int_equal(inet_pton(AF_INET6, host, &v6->sin6_addr), 1);
		a.sa.ss_family = AF_INET6;
		a.length = sizeof(*v6);
	}
	address_set_port(&a, port);
	return a;
}

static struct address refusing(void)
{
	unsigned port;

	close(tcp_listen(&port));
	return address_of("127.0.0.1", port);
}

/* A listener whose backlog is full: its kernel drops further SYNs. */
struct silent {
	int listener, clients[3];
	struct address address;
};

static void silent_open(struct silent *s)
{
	unsigned port;

	s->listener = tcp_listen(&port);
	assert_int_equal(listen(s->listener, 0), 0);
	s->address = address_of("127.0.0.1", port);
	for (size_t i = 0; i < ARRAY_SIZE(s->clients); i++) {
		s->clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		connect(s->clients[i], (struct sockaddr *)&s->address.sa, s->address.length);
	}
}

static void silent_close(struct silent *s)
{
	for (size_t i = 0; i < ARRAY_SIZE(s->clients); i++)
		close(s->clients[i]);
	close(s->listener);
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

static void start(const char *host, const struct address *addresses, size_t count)
{
	struct err e;

	dial = dial_new(loop, host, addresses, count, &options, &ops, NULL, &e);
	assert_non_null(dial);
	assert_int_equal(connected + failed, 0); /* never from within */
}

static void run(const char *host, const struct address *addresses, size_t count)
{
	start(host, addresses, count);
	real_loop_run(loop);
	real_loop_turns(loop, 2);
	assert_int_equal(connected + failed, 1);
}

static int set_up(void **state)
{
	loop = real_loop_new();
	dial = NULL;
	frees = false;
	options = (struct dial_options){ .qos = QOS_NONE };
	connected = failed = 0;
	fd = -1;
	return 0;
}

static int tear_down(void **state)
{
	dial_free(TAKE(dial));
	closep(&fd);
	loop_free(loop);
	return 0;
}

/* ---- success ---- */

static void test_connects(void **state)
{
	unsigned port;
	int listener = tcp_listen(&port), accepted, on = 0;
	struct address address = address_of("127.0.0.1", port);
	socklen_t size = sizeof(on);

	run("host", &address, 1);
	assert_int_equal(connected, 1);
	accepted = accept(listener, NULL, NULL);
	send_text(accepted, "hello");
	expect_bytes(fd, "hello");
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &size), 0);
	assert_int_equal(on, 1);
	close(accepted);
	close(listener);
}

static void test_the_second_address_lives(void **state)
{
	unsigned port;
	int listener = tcp_listen(&port);
	struct address addresses[] = { refusing(), address_of("127.0.0.1", port) };
	uint64_t start_ms = monotonic_ms();
	char text[80];

	run("host", addresses, 2);
	assert_int_equal(connected, 1);
	address_format(&addresses[1], text, sizeof(text));
	assert_string_equal(where, text);
	assert_true(monotonic_ms() - start_ms < 10000);
	close(listener);
}

/* The first neither answers nor refuses: the second is tried while it is still waited for. */
static void test_a_silent_first_address(void **state)
{
	unsigned port;
	int listener = tcp_listen(&port);
	struct silent silent;
	uint64_t start_ms = monotonic_ms();
	size_t before;
	char text[80];

	silent_open(&silent);
	before = open_descriptors();
	start("host", (struct address[]){ silent.address, address_of("127.0.0.1", port) }, 2);
	real_loop_turns(loop, 1);
	dial_describe(dial, where, sizeof(where));
	address_format(&silent.address, text, sizeof(text));
	assert_memory_equal(where, text, strlen(text));
	assert_string_equal(where + strlen(text), ", address 1 of 2 of host");
	real_loop_run(loop);
	assert_int_equal(connected, 1);
	assert_true(monotonic_ms() - start_ms >= 200);
	assert_int_equal(open_descriptors(), before + 1); /* the loser is closed */
	silent_close(&silent);
	close(listener);
}

/* After one of the first family comes one of the other; so the last is the first family's second. */
static void test_families_take_turns(void **state)
{
	struct address addresses[] = { refusing(), refusing(), address_of("::1", 1) };
	char last[80];

	run("host", addresses, 3);
	assert_int_equal(failed, 1);
	dial_describe(dial, where, sizeof(where));
	address_format(&addresses[1], last, sizeof(last));
	assert_memory_equal(where, last, strlen(last));
	assert_string_equal(where + strlen(last), ", address 3 of 3 of host");
}

/* ---- failure ---- */

static void test_refused(void **state)
{
	struct address address = refusing();
	char text[80];

	run("host.example", &address, 1);
	assert_int_equal(failed, 1);
	assert_int_equal(err.code, ERR_REFUSED);
	address_format(&address, text, sizeof(text));
	assert_non_null(strstr(err.msg, "host.example"));
	assert_non_null(strstr(err.msg, text));
}

static void test_all_refused(void **state)
{
	struct address addresses[] = { refusing(), refusing(), refusing() };
	size_t before = open_descriptors();

	run("host", addresses, 3);
	assert_int_equal(failed, 1);
	assert_int_equal(err.code, ERR_REFUSED);
	assert_non_null(strstr(err.msg, "connect to host at any of its 3 addresses; 127.0.0.1:"));
	assert_int_equal(open_descriptors(), before);
}

/* A port that refuses says more than a network that TCP does not reach, whichever comes last. */
static void test_the_most_telling_reason(void **state)
{
	struct address nowhere = address_of("255.255.255.255", 22), port = refusing();
	char text[80];

	address_format(&port, text, sizeof(text));
	run("host", (struct address[]){ port, nowhere }, 2);
	assert_int_equal(err.code, ERR_REFUSED);
	assert_non_null(strstr(err.msg, text));
	dial_free(TAKE(dial));
	failed = 0;
	run("host", (struct address[]){ nowhere, port }, 2);
	assert_int_equal(err.code, ERR_REFUSED);
	assert_non_null(strstr(err.msg, text));
}

/* However little time there is, none is left out: the last of them answers. */
static void test_all_are_tried_while_there_is_time(void **state)
{
	struct address addresses[RESOLVE_ADDRESSES_MAX];
	size_t last = ARRAY_SIZE(addresses) - 1;
	struct silent silent;
	unsigned port;
	int listener = tcp_listen(&port);
	uint64_t start_ms = monotonic_ms();

	silent_open(&silent);
	for (size_t i = 0; i < last; i++)
		addresses[i] = silent.address;
	addresses[last] = address_of("127.0.0.1", port);
	options.limit_ms = 850; /* 50 for each, where 250 would take too long */
	run("host", addresses, last + 1);
	assert_int_equal(connected, 1);
	assert_true(monotonic_ms() - start_ms >= 700);
	silent_close(&silent);
	close(listener);
}

/* An address that was given as one is not named twice. */
static void test_numeric_hosts_are_named_once(void **state)
{
	struct address v4 = refusing(), v6 = address_of("::1", 1);

	run("127.0.0.1", &v4, 1);
	assert_null(strchr(err.msg, '('));
	assert_non_null(strstr(err.msg, "cannot connect to 127.0.0.1:"));
	dial_free(TAKE(dial));
	failed = 0;
	run("::1", &v6, 1);
	assert_null(strchr(err.msg, '('));
	assert_non_null(strstr(err.msg, "cannot connect to [::1]:1"));
}

static void test_more_addresses_than_are_tried(void **state)
{
	struct address addresses[RESOLVE_ADDRESSES_MAX + 4];

	for (size_t i = 0; i < ARRAY_SIZE(addresses); i++)
		addresses[i] = refusing();
	run("host", addresses, ARRAY_SIZE(addresses));
	assert_int_equal(failed, 1);
}

/* ---- how sockets are to be ---- */

static int option_of(int level, int name)
{
	int value = -1;
	socklen_t size = sizeof(value);

	assert_int_equal(getsockopt(fd, level, name, &value, &size), 0);
	return value;
}

static void test_options(void **state)
{
	unsigned port;
	int listener = tcp_listen(&port);
	struct address address = address_of("127.0.0.1", port);

	run("host", &address, 1);
	assert_int_equal(option_of(SOL_SOCKET, SO_KEEPALIVE), 0);
	assert_int_equal(option_of(IPPROTO_IP, IP_TOS), 0);
	dial_free(TAKE(dial));
	closep(&fd);
	connected = 0;
	options = (struct dial_options){ .keepalive = true, .qos = 0x20 };
	run("host", &address, 1);
	assert_int_equal(option_of(SOL_SOCKET, SO_KEEPALIVE), 1);
	assert_int_equal(option_of(IPPROTO_IP, IP_TOS), 0x20);
	close(listener);
}

static void expect_from(const char *bind_address, const char *from, const struct address *to)
{
	struct address own = { .length = sizeof(own.sa) };
	char text[80];

	options = (struct dial_options){ .qos = QOS_NONE, .bind_address = bind_address };
	connected = 0;
	run("host", to, 1);
	assert_int_equal(connected, 1);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&own.sa, &own.length), 0);
	address_format(&own, text, sizeof(text));
	*strrchr(text, ':') = '\0';
	assert_string_equal(text, from);
	dial_free(TAKE(dial));
	closep(&fd);
}

static void test_bind_address(void **state)
{
	unsigned port;
	int listener = tcp_listen(&port);
	struct address address = address_of("127.0.0.1", port);

	expect_from("127.0.0.9", "127.0.0.9", &address);
	expect_from("lo", "127.0.0.1", &address);
	close(listener);
}

static void expect_no_dial(const struct address *addresses, size_t count, enum err_code code,
			   const char *says)
{
	struct err e;

	assert_null(dial_new(loop, "host", addresses, count, &options, &ops, NULL, &e));
	assert_int_equal(e.code, code);
	if (!strstr(e.msg, says))
		fail_msg("%s", e.msg);
}

static void test_nothing_fits(void **state)
{
	struct address both[] = { address_of("127.0.0.1", 1), address_of("::1", 1) };

	options.family = FAMILY_INET6;
	expect_no_dial(both, 1, ERR_RESOLVE, "'host' has no IPv6 address, and address_family");
	options.family = FAMILY_INET;
	expect_no_dial(both + 1, 1, ERR_RESOLVE, "'host' has no IPv4 address");
	options = (struct dial_options){ .qos = QOS_NONE, .bind_address = "127.0.0.1" };
	expect_no_dial(both + 1, 1, ERR_BIND,
		       "bind_address 127.0.0.1 has only IPv4, but 'host' only IPv6");
	options.bind_address = "::1";
	expect_no_dial(both, 1, ERR_BIND, "::1 has only IPv6, but 'host' only IPv4");
	options.bind_address = "no-such-if0";
	expect_no_dial(both, 2, ERR_BIND, "neither an address nor an interface");
}

/* Of both families only the one that fits is tried. */
static void test_families_are_filtered(void **state)
{
	struct address both[] = { refusing(), address_of("::1", 1) };

	options.family = FAMILY_INET6;
	run("host", both, 2);
	assert_int_equal(failed, 1);
	assert_non_null(strstr(err.msg, "[::1]:1"));
	dial_free(TAKE(dial));
	failed = 0;
	options = (struct dial_options){ .qos = QOS_NONE, .bind_address = "127.0.0.1" };
	run("host", both, 2);
	assert_non_null(strstr(err.msg, "127.0.0.1:"));
}

/* An address that is not this machine's (TEST-NET-1). */
static void test_a_foreign_bind_address(void **state)
{
	struct address address = refusing();

	options.bind_address = "192.0.2.1";
	run("host", &address, 1);
	assert_int_equal(failed, 1);
	assert_int_equal(err.code, ERR_BIND);
	assert_non_null(strstr(err.msg, "bind_address: cannot connect from 192.0.2.1: "));
}

/* ---- freeing ---- */

static void test_free_in_on_connected(void **state)
{
	unsigned port;
	int listener = tcp_listen(&port);
	struct address addresses[] = { refusing(), address_of("127.0.0.1", port) };

	frees = true;
	run("host", addresses, 2);
	assert_int_equal(connected, 1);
	assert_null(dial);
	close(listener);
}

static void test_free_in_on_failed(void **state)
{
	struct address addresses[] = { refusing(), address_of("::1", 1), refusing() };

	frees = true;
	run("host", addresses, 3);
	assert_int_equal(failed, 1);
	assert_null(dial);
}

static void test_free_before_and_during(void **state)
{
	struct silent silent;
	size_t before;

	silent_open(&silent);
	before = open_descriptors();
	start("host", &silent.address, 1);
	dial_free(TAKE(dial));
	real_loop_turns(loop, 2);
	start("host", &silent.address, 1);
	real_loop_turns(loop, 2);
	assert_int_equal(open_descriptors(), before + 1);
	dial_free(TAKE(dial));
	real_loop_turns(loop, 2);
	assert_int_equal(connected + failed, 0);
	assert_int_equal(open_descriptors(), before);
	silent_close(&silent);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_connects),
		CASE(test_the_second_address_lives),
		CASE(test_a_silent_first_address),
		CASE(test_families_take_turns),
		CASE(test_refused),
		CASE(test_all_refused),
		CASE(test_the_most_telling_reason),
		CASE(test_all_are_tried_while_there_is_time),
		CASE(test_numeric_hosts_are_named_once),
		CASE(test_more_addresses_than_are_tried),
		CASE(test_options),
		CASE(test_bind_address),
		CASE(test_nothing_fits),
		CASE(test_families_are_filtered),
		CASE(test_a_foreign_bind_address),
		CASE(test_free_in_on_connected),
		CASE(test_free_in_on_failed),
		CASE(test_free_before_and_during),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
