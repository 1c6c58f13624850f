/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/supervisor/listening.h"
#include "daemon/supervisor/port_owner.h"
#include "lib/util.h"

#define PATIENCE_MS 10000 /* then a test has failed, not finished */

struct fixture {
	struct loop *loop;
	struct offload *names, *disk;
	struct listen_service service;
	struct loop_timer patience;
	unsigned changes;
	struct listening *awaited; /* the loop stops when it is no longer pending */
};

static void on_change(void *data, void *owner)
{
	struct fixture *f = data;

	f->changes++;
	if (f->awaited && listening_state(f->awaited) != LISTENING_PENDING)
		loop_quit(f->loop, 0);
}

static void on_impatience(void *data)
{
	loop_quit(((struct fixture *)data)->loop, 1);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->loop = loop_new(NULL);
	f->names = offload_new(f->loop, "names", 1, NULL);
	f->disk = offload_new(f->loop, "disk", 1, NULL);
	*state = f;
	return listen_service_init(&f->service, f->loop, f->names, f->disk, on_change, f, NULL) |
	       loop_timer_open(&f->patience, f->loop, on_impatience, f);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	listen_service_fini(&f->service);
	loop_timer_close(&f->patience);
	offload_free(f->names);
	offload_free(f->disk);
	loop_free(f->loop);
	free(f);
	return 0;
}

static struct listening *open_range(struct fixture *f, const char *host, uint16_t port,
				    uint16_t count)
{
	struct config_forward spec = { .listen = { END_TCP, (char *)host, port },
				       .port_count = count };
	struct listening *l = listening_open(&f->service, "t", &spec, f);

	assert_non_null(l);
	return l;
}

static struct listening *open_at(struct fixture *f, const char *host, uint16_t port)
{
	return open_range(f, host, port, 1);
}

/* Runs the loop until l is decided. */
static void decide(struct fixture *f, struct listening *l)
{
	f->awaited = l;
	loop_timer_set(&f->patience, PATIENCE_MS);
	assert_int_equal(loop_run(f->loop), 0);
	loop_timer_stop(&f->patience);
	f->awaited = NULL;
}

static struct listener *only_socket(const struct listening *l)
{
	size_t count;
	struct listener *const *sockets = listening_sockets(l, &count);

	assert_int_equal(count, 1);
	return sockets[0];
}

static uint16_t port_of(const struct listening *l)
{
	return address_port(&only_socket(l)->address);
}

/* A client that connects, -1 if it is refused. */
static int dial(uint16_t port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		closep(&fd);
	return fd;
}

static void test_numbers_are_bound_at_once(void **state)
{
	struct fixture *f = *state;
	struct listening *l = open_at(f, "127.0.0.1", 0);
	int client;

	assert_int_equal(listening_state(l), LISTENING_BOUND);
	assert_int_not_equal(port_of(l), 0);
	assert_int_equal(f->changes, 0); /* the caller can see for itself */
	assert_false(listening_has_waiting(l));
	client = dial(port_of(l));
	assert_true(client >= 0);
	assert_true(listening_has_waiting(l));
	assert_true(fcntl(only_socket(l)->fd, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(only_socket(l)->fd, F_GETFL) & O_NONBLOCK);
	close(client);
	listening_close(l);
}

static void test_both_loopbacks_share_a_port(void **state)
{
	struct fixture *f = *state;
	struct listening *l = open_at(f, "localhost", 0);
	size_t count;
	struct listener *const *sockets = listening_sockets(l, &count);

	assert_int_equal(listening_state(l), LISTENING_BOUND);
	assert_in_range(count, 1, 2); /* a machine may have no IPv6 */
	for (size_t i = 0; i < count; i++)
		assert_int_equal(address_port(&sockets[i]->address),
				 address_port(&sockets[0]->address));
	listening_close(l);
}

static void test_an_address_that_moves_keeps_its_socket_and_its_clients(void **state)
{
	struct fixture *f = *state;
	struct listening *before = open_at(f, "127.0.0.1", 0), *after;
	uint16_t port = port_of(before);
	int fd = only_socket(before)->fd, client = dial(port);
	size_t count;
	CLEANUP(freep) struct listener **leaving = listening_detach(before, &count);

	assert_int_equal(count, 1);
	after = open_at(f, "127.0.0.1", port);
	assert_int_equal(listening_state(after), LISTENING_PENDING); /* no acknowledgement yet */
	listen_service_sweep(&f->service);
	listen_service_release(&f->service, leaving, count);
	decide(f, after);
	assert_int_equal(listening_state(after), LISTENING_BOUND);
	assert_int_equal(only_socket(after)->fd, fd);
	assert_true(listening_has_waiting(after));
	close(client);
	listening_close(after);
}

static void test_a_sweep_right_after_the_release_closes_nothing_that_is_waited_for(void **state)
{
	struct fixture *f = *state;
	struct listening *before = open_at(f, "127.0.0.1", 0), *after;
	uint16_t port = port_of(before);
	int fd = only_socket(before)->fd, client = dial(port);
	size_t count;
	CLEANUP(freep) struct listener **leaving = listening_detach(before, &count);

	after = open_at(f, "127.0.0.1", port);
	listen_service_release(&f->service, leaving, count);
	listen_service_sweep(&f->service);
	assert_int_equal(listening_state(after), LISTENING_BOUND);
	assert_int_equal(only_socket(after)->fd, fd);
	assert_true(listening_has_waiting(after));
	close(client);
	listening_close(after);
}

static void test_what_nobody_wants_is_closed_by_the_sweep_and_not_before(void **state)
{
	struct fixture *f = *state;
	struct listening *l = open_at(f, "127.0.0.1", 0);
	uint16_t port = port_of(l);
	int client;

	listening_close(l);
	client = dial(port);
	assert_true(client >= 0);
	close(client);
	listen_service_sweep(&f->service);
	assert_int_equal(dial(port), -1);
}

static void test_a_wildcard_waits_for_the_address_that_leaves(void **state)
{
	struct fixture *f = *state;
	struct listening *narrow = open_at(f, "127.0.0.1", 0), *wide;
	uint16_t port = port_of(narrow);
	size_t count;
	CLEANUP(freep) struct listener **leaving = listening_detach(narrow, &count);

	wide = open_at(f, "0.0.0.0", port);
	assert_int_equal(listening_state(wide), LISTENING_PENDING);
	listen_service_release(&f->service, leaving, count);
	decide(f, wide);
	assert_int_equal(listening_state(wide), LISTENING_BOUND);
	listening_close(wide);
}

static void test_two_tunnels_of_ours_want_one_port(void **state)
{
	struct fixture *f = *state;
	struct listening *first = open_at(f, "127.0.0.1", 0);
	struct listening *second = open_at(f, "127.0.0.1", port_of(first));

	assert_int_equal(listening_state(second), LISTENING_FAILED);
	assert_int_equal(listening_error(second)->code, ERR_PORT_IN_USE);
	assert_non_null(strstr(listening_error(second)->msg, "is in use by tunnel 't'"));
	listening_close(first);
	decide(f, second); /* heals as soon as the other one is gone */
	assert_int_equal(listening_state(second), LISTENING_BOUND);
	listening_close(second);
}

/* A port that somebody else (this test) has; -1: it is taken. */
static int occupy_at(uint16_t port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, 1) < 0)
		closep(&fd);
	return fd;
}

static bool is_free(uint16_t first, uint16_t count)
{
	for (uint16_t i = 0; i < count; i++) {
		int fd = occupy_at((uint16_t)(first + i));

		if (fd < 0)
			return false;
		close(fd);
	}
	return true;
}

/* The first of so many free ports, below those that connections leave from. */
static uint16_t free_range(uint16_t count)
{
	static uint16_t first;

	if (first == 0)
		first = (uint16_t)(10000 + getpid() % 10000);
	do
		first = (uint16_t)(first + count < 32000 ? first + count : 10000);
	while (!is_free(first, count));
	return first;
}

/* One that nobody else is given when it is free again. */
static int occupy(uint16_t *ret_port)
{
	int fd;

	*ret_port = free_range(1);
	fd = occupy_at(*ret_port);
	assert_true(fd >= 0);
	return fd;
}

static void test_a_busy_port_names_the_process_and_heals(void **state)
{
	struct fixture *f = *state;
	struct listening *l;
	char pid[32];
	uint16_t port;
	int other = occupy(&port);

	l = open_at(f, "127.0.0.1", port);
	assert_int_equal(listening_state(l), LISTENING_PENDING); /* looks for who it is */
	decide(f, l);
	assert_int_equal(listening_state(l), LISTENING_FAILED);
	assert_int_equal(listening_error(l)->code, ERR_PORT_IN_USE);
	snprintf(pid, sizeof(pid), "(pid %d)", (int)getpid());
	assert_non_null(strstr(listening_error(l)->msg, pid));
	close(other);
	decide(f, l);
	assert_int_equal(listening_state(l), LISTENING_BOUND);
	listening_close(l);
}

/* What holds a port of ip_local_port_range is often nobody who listens: no process to stop. */
static void test_a_port_of_a_connection(void **state)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct fixture *f = *state;
	struct listening *l;
	socklen_t size = sizeof(at);
	uint16_t port;
	int server = occupy(&port), fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	at.sin_port = htons(port);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &size), 0);
	l = open_at(f, "127.0.0.1", ntohs(at.sin_port));
	decide(f, l);
	assert_int_equal(listening_error(l)->code, ERR_PORT_IN_USE);
	assert_non_null(strstr(listening_error(l)->msg, "held by a connection"));
	close(fd);
	close(server);
	listening_close(l);
}

static void test_closing_while_the_search_runs(void **state)
{
	struct fixture *f = *state;
	struct listening *first, *second;
	uint16_t port;
	int other = occupy(&port);

	first = open_at(f, "127.0.0.1", port);
	second = open_at(f, "127.0.0.1", port);
	listening_close(first);
	decide(f, second);
	assert_int_equal(listening_state(second), LISTENING_FAILED);
	listening_close(second);
	close(other);
}

static void test_an_address_of_somebody_else(void **state)
{
	struct fixture *f = *state;
	struct listening *l = open_at(f, "192.0.2.1", 0); /* RFC 5737: nobody has it */

	assert_int_equal(listening_state(l), LISTENING_FAILED);
	assert_int_equal(listening_error(l)->code, ERR_BIND);
	assert_non_null(strstr(listening_error(l)->msg, "no interface has this address"));
	listening_close(l);
}

static void test_a_name_that_is_none(void **state)
{
	struct fixture *f = *state;
	struct listening *l = open_at(f, "no-such-host.invalid", 1);

	assert_int_equal(listening_state(l), LISTENING_PENDING);
	decide(f, l);
	assert_int_equal(listening_state(l), LISTENING_FAILED);
	assert_int_equal(listening_error(l)->code, ERR_RESOLVE);
	listening_close(l);
}

static void test_words_for_a_port_whose_owner_is_hidden(void **state)
{
	struct port_owner owner = { 0 };
	struct err err;

	assert_true(address_parse(&owner.address, "::1", 5432));
	port_owner_explain(&owner, false, &err);
	assert_string_equal(err.msg, "[::1]:5432 is in use by another process (run as root to see "
				     "which); choose another 'listen' or stop it");
	owner.connected = true; /* nobody listens */
	port_owner_explain(&owner, false, &err);
	assert_non_null(strstr(err.msg, "[::1]:5432 is held by a connection that left from"));
	owner.inode = 1;
	owner.pid = 812;
	strcpy(owner.name, "postgres");
	port_owner_explain(&owner, false, &err);
	assert_string_equal(err.msg, "[::1]:5432 is in use by postgres (pid 812); choose another "
				     "'listen' or stop it");
}

/* ---- ranges ---- */

/* A range of which this test holds one port: the first, a middle one, the last. */
static void test_a_range_has_all_of_its_ports_or_none(void **state)
{
	struct fixture *f = *state;
	char pid[32];

	snprintf(pid, sizeof(pid), "(pid %d)", (int)getpid());
	for (uint16_t i = 0; i < 5; i += 2) {
		uint16_t first = free_range(5);
		int other = occupy_at((uint16_t)(first + i));
		struct listening *l = open_range(f, "127.0.0.1", first, 5);

		decide(f, l);
		assert_int_equal(listening_state(l), LISTENING_FAILED);
		assert_non_null(strstr(listening_error(l)->msg, pid));
		assert_int_equal(dial((uint16_t)(first + (i == 0 ? 4 : 0))), -1);
		close(other);
		decide(f, l);
		assert_int_equal(listening_state(l), LISTENING_BOUND);
		for (uint16_t p = 0; p < 5; p++) {
			int client = dial((uint16_t)(first + p));

			assert_true(client >= 0);
			close(client);
		}
		listening_close(l);
		listen_service_sweep(&f->service);
	}
}

static void test_a_range_is_in_order_on_both_loopbacks(void **state)
{
	struct fixture *f = *state;
	uint16_t first = free_range(100);
	struct listening *l = open_range(f, "localhost", first, 100);
	struct listener *const *sockets;
	size_t count;
	int client;

	if (listening_state(l) == LISTENING_PENDING) /* not all in one go */
		decide(f, l);
	sockets = listening_sockets(l, &count);
	assert_int_equal(listening_state(l), LISTENING_BOUND);
	assert_true(count == 100 || count == 200);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(address_port(&sockets[i]->address), first + i % 100);
	assert_false(listening_has_waiting(l));
	client = dial((uint16_t)(first + 99));
	assert_true(listening_has_waiting(l));
	close(client);
	listening_close(l);
}

static void test_a_freed_port_is_taken_within_two_seconds(void **state)
{
	struct fixture *f = *state;
	struct listening *l;
	uint64_t freed;
	uint16_t port;
	int other = occupy(&port);

	l = open_at(f, "127.0.0.1", port);
	decide(f, l);
	close(other);
	freed = monotonic_ms();
	decide(f, l);
	assert_int_equal(listening_state(l), LISTENING_BOUND);
	assert_in_range(monotonic_ms() - freed, 0, 1990);
	listening_close(l);
}

/* ---- files ---- */

enum { FILES = 200 }; /* lost ones are more than are made anew in one go */

static int dial_file(const char *path)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(to.sun_path, path);
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		closep(&fd);
	return fd;
}

static struct listening *open_file(struct fixture *f, const char *path)
{
	struct config_forward spec = { .listen = { END_UNIX, (char *)path, 0 },
				       .socket_mode = 0600 };
	struct listening *l = listening_open(&f->service, "t", &spec, f);

	assert_non_null(l);
	assert_int_equal(listening_state(l), LISTENING_BOUND);
	return l;
}

/* Whoever was told of a change sees the new socket. */
static void test_lost_files_are_made_anew(void **state)
{
	struct fixture *f = *state;
	char directory[] = "/tmp/listening-XXXXXX", paths[FILES][64];
	struct listening *all[FILES];
	int client;

	assert_non_null(mkdtemp(directory));
	for (size_t i = 0; i < FILES; i++) {
		snprintf(paths[i], sizeof(paths[i]), "%s/%zu", directory, i);
		all[i] = open_file(f, paths[i]);
	}
	assert_int_equal(f->changes, 0);
	for (size_t i = 0; i < FILES; i += 2)
		unlink(paths[i]);
	while (f->changes < FILES) /* lost and bound, each of the half */
		decide(f, all[0]);
	for (size_t i = 0; i < FILES; i++) {
		client = dial_file(paths[i]);
		assert_true(client >= 0);
		assert_true(listening_has_waiting(all[i]));
		close(client);
		listening_close(all[i]);
	}
	assert_int_equal(f->changes, FILES);
	assert_true(listen_service_sweep(&f->service));
	assert_int_equal(rmdir(directory), 0);
}

static void test_a_lost_directory(void **state)
{
	struct fixture *f = *state;
	char directory[] = "/tmp/listening-XXXXXX", path[64];
	struct listening *l;

	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/s", directory);
	l = open_file(f, path);
	unlink(path);
	rmdir(directory);
	while (listening_state(l) == LISTENING_BOUND)
		decide(f, l);
	assert_int_equal(listening_state(l), LISTENING_FAILED);
	assert_non_null(strstr(listening_error(l)->msg, "there is no directory"));
	mkdir(directory, 0700);
	decide(f, l);
	assert_int_equal(listening_state(l), LISTENING_BOUND);
	listening_close(l);
	assert_true(listen_service_sweep(&f->service));
	assert_int_equal(rmdir(directory), 0);
}

static void test_addresses(void **state)
{
	struct address a, b, wild, v6[LISTEN_ADDRESSES_MAX];
	char text[ADDRESS_TEXT_MAX];
	bool implied;

	assert_true(address_parse(&a, "127.0.0.1", 80) && address_parse(&b, "127.0.0.2", 80) &&
		    address_parse(&wild, "0.0.0.0", 80));
	assert_false(address_equal(&a, &b));
	assert_false(address_overlaps(&a, &b));
	assert_true(address_overlaps(&a, &wild));
	assert_false(address_parse(&a, "localhost", 80));
	assert_int_equal(address_of_listen(v6, "*", 80, &implied), 2);
	assert_true(implied);
	assert_string_equal(address_format(text, &v6[1]), "[::]:80");
	assert_false(address_overlaps(&wild, &v6[1]));
	assert_int_equal(address_of_listen(v6, "db.example", 80, &implied), 0);
}

#define loop_test(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		loop_test(test_numbers_are_bound_at_once),
		loop_test(test_both_loopbacks_share_a_port),
		loop_test(test_an_address_that_moves_keeps_its_socket_and_its_clients),
		loop_test(test_a_sweep_right_after_the_release_closes_nothing_that_is_waited_for),
		loop_test(test_what_nobody_wants_is_closed_by_the_sweep_and_not_before),
		loop_test(test_a_wildcard_waits_for_the_address_that_leaves),
		loop_test(test_two_tunnels_of_ours_want_one_port),
		loop_test(test_a_busy_port_names_the_process_and_heals),
		loop_test(test_a_port_of_a_connection),
		loop_test(test_closing_while_the_search_runs),
		loop_test(test_an_address_of_somebody_else),
		loop_test(test_a_name_that_is_none),
		loop_test(test_a_range_has_all_of_its_ports_or_none),
		loop_test(test_a_range_is_in_order_on_both_loopbacks),
		loop_test(test_a_freed_port_is_taken_within_two_seconds),
		loop_test(test_lost_files_are_made_anew),
		loop_test(test_a_lost_directory),
		cmocka_unit_test(test_words_for_a_port_whose_owner_is_hidden),
		cmocka_unit_test(test_addresses),
	};

	return cmocka_run_group_tests_name("listening", tests, NULL, NULL);
}
