/* SPDX-License-Identifier: MIT */
/*
 * The two ends of a measurement, small enough not to be what is measured. `load serve` is the
 * service behind the tunnel; the other modes are its clients, and each prints one line of JSON.
 * Where they take a PORT, `PROXY/PORT` is the same port through a SOCKS 5 proxy. Blocking sockets
 * and threads: simple is fast enough here.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/load_io.h"
#include "tests/bench/load_service.h"

#define ECHO_SIZE 64
#define PERCENT(sorted, count, p) ((sorted)[((count)-1) * (p) / 100])

static int print_stream(uint64_t bytes, double seconds)
{
	printf("{\"bytes\": %llu, \"seconds\": %.6f}\n", (unsigned long long)bytes, seconds);
	return 0;
}

/* down PORT BYTES SECONDS: receives until either is reached. */
static int mode_down(char **args)
{
	uint64_t limit = number(args[1]), bytes = 0, start;
	double patience = (double)number(args[2]);
	char *chunk = chunk_new();
	int fd = dial(args[0]);

	start = now_ns();
	while (bytes < limit && seconds_since(start) < patience) {
		ssize_t n = recv(fd, chunk, CHUNK, 0);

		if (n <= 0)
			die("receive");
		bytes += (uint64_t)n;
	}
	print_stream(bytes, seconds_since(start));
	close(fd);
	free(chunk);
	return 0;
}

/* up PORT BYTES SECONDS: sends until either is reached, then waits until all of it has arrived. */
static int mode_up(char **args)
{
	uint64_t limit = number(args[1]), bytes = 0, start;
	double patience = (double)number(args[2]);
	char *chunk = chunk_new();
	int fd = dial(args[0]);

	start = now_ns();
	while (bytes < limit && seconds_since(start) < patience) {
		if (!send_all(fd, chunk, CHUNK))
			die("send");
		bytes += CHUNK;
	}
	shutdown(fd, SHUT_WR);
	if (!receive_all(fd, chunk, 1))
		die("waiting for the end");
	print_stream(bytes, seconds_since(start));
	close(fd);
	free(chunk);
	return 0;
}

static int compare_ns(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Nanoseconds until a message came back. */
static uint64_t echo_once(int fd)
{
	char message[ECHO_SIZE] = { 0 };
	uint64_t start = now_ns();

	if (!send_all(fd, message, sizeof(message)) || !receive_all(fd, message, sizeof(message)))
		die("echo");
	return now_ns() - start;
}

static void print_times(uint64_t *times, size_t count)
{
	qsort(times, count, sizeof(*times), compare_ns);
	printf("{\"p50_us\": %.1f, \"p99_us\": %.1f}\n", (double)PERCENT(times, count, 50) / 1e3,
	       (double)PERCENT(times, count, 99) / 1e3);
}

/* echo PORT COUNT: COUNT messages of 64 bytes, one after the other, there and back. */
static int mode_echo(char **args)
{
	size_t count = number(args[1]);
	uint64_t *times = calloc(count ? count : 1, sizeof(*times));
	int fd = dial(args[0]);

	if (!times || !count)
		die("memory");
	for (size_t i = 0; i < count; i++)
		times[i] = echo_once(fd);
	print_times(times, count);
	close(fd);
	free(times);
	return 0;
}

struct caller {
	const char *where;
	double patience;
	unsigned long done;
	pthread_t thread;
};

/* A connection counts when a byte came back through it. */
static void *caller_run(void *data)
{
	struct caller *caller = data;
	uint64_t start = now_ns();
	char byte = 'x';

	while (seconds_since(start) < caller->patience) {
		int fd = dial(caller->where);

		if (!send_all(fd, &byte, 1) || !receive_all(fd, &byte, 1))
			die("connection");
		close(fd);
		caller->done++;
	}
	return NULL;
}

/* connections PORT SECONDS THREADS: opens, uses and closes as many as it can. */
static int mode_connections(char **args)
{
	size_t count = number(args[2]);
	struct caller *callers = calloc(count ? count : 1, sizeof(*callers));
	unsigned long done = 0;
	uint64_t start = now_ns();

	if (!callers)
		die("memory");
	for (size_t i = 0; i < count; i++) {
		callers[i].where = args[0];
		callers[i].patience = (double)number(args[1]);
		start_thread(caller_run, &callers[i], &callers[i].thread);
	}
	for (size_t i = 0; i < count; i++) {
		pthread_join(callers[i].thread, NULL);
		done += callers[i].done;
	}
	printf("{\"per_second\": %.1f}\n", (double)done / seconds_since(start));
	free(callers);
	return 0;
}

/* One of several that talk at once; each has connections of its own and uses them in turn. */
struct talker {
	int *fds;
	size_t fd_count;
	uint64_t *times;
	size_t count;
	pthread_t thread;
};

static void *talker_run(void *data)
{
	struct talker *talker = data;

	for (size_t i = 0; i < talker->count; i++)
		talker->times[i] = echo_once(talker->fds[i % talker->fd_count]);
	return NULL;
}

static int *dial_many(const char *where, size_t count)
{
	int *fds = calloc(count, sizeof(*fds));

	if (!fds)
		die("memory");
	for (size_t i = 0; i < count; i++) {
		fds[i] = dial(where);
		echo_once(fds[i]); /* it is open when something came back */
	}
	return fds;
}

/* many PORT CONNECTIONS COUNT THREADS: COUNT messages over that many open connections, as many at
 * a time as there are threads. */
static int mode_many(char **args)
{
	size_t connections = number(args[1]), count = number(args[2]), threads = number(args[3]);
	size_t fds_each = threads ? connections / threads : 0, each = threads ? count / threads : 0;
	struct talker *talkers = calloc(threads ? threads : 1, sizeof(*talkers));
	uint64_t *times = calloc(count ? count : 1, sizeof(*times));
	int *fds;

	if (!talkers || !times)
		die("memory");
	if (!fds_each || !each) {
		fprintf(stderr, "load: many: fewer connections or messages than threads\n");
		return 2;
	}
	fds = dial_many(args[0], connections);
	for (size_t i = 0; i < threads; i++) {
		talkers[i] = (struct talker){ .fds = fds + i * fds_each,
					      .fd_count = fds_each,
					      .times = times + i * each,
					      .count = each };
		start_thread(talker_run, &talkers[i], &talkers[i].thread);
	}
	for (size_t i = 0; i < threads; i++)
		pthread_join(talkers[i].thread, NULL);
	print_times(times, each * threads);
	free(fds); /* closed when we end */
	free(times);
	free(talkers);
	return 0;
}

/* asleep PORT COUNT: opens that many, reads nothing, stays until stdin ends. */
static int mode_asleep(char **args)
{
	size_t count = number(args[1]);

	for (size_t i = 0; i < count; i++)
		dial(args[0]);
	printf("{\"open\": %zu}\n", count);
	fflush(stdout);
	while (getchar() != EOF)
		;
	return 0;
}

static const struct mode {
	const char *name, *arguments;
	int count;
	int (*run)(char **args);
} modes[] = {
	{ "serve", "", 0, mode_serve },
	{ "down", "PORT BYTES SECONDS", 3, mode_down },
	{ "up", "PORT BYTES SECONDS", 3, mode_up },
	{ "echo", "PORT COUNT", 2, mode_echo },
	{ "connections", "PORT SECONDS THREADS", 3, mode_connections },
	{ "many", "PORT CONNECTIONS COUNT THREADS", 4, mode_many },
	{ "asleep", "PORT COUNT", 2, mode_asleep },
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (!strcmp(argv[1], modes[i].name) && argc - 2 == modes[i].count)
			return modes[i].run(argv + 2);
	}
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		fprintf(stderr, "usage: load %s %s\n", modes[i].name, modes[i].arguments);
	return 2;
}
