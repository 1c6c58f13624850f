/* SPDX-License-Identifier: MIT */
/*
 * The two ends of a measurement, small enough not to be what is measured. `load serve` is the
 * service behind the tunnel: three loopback ports that send, swallow and echo. The other modes are
 * its clients; each prints one line of JSON. Blocking sockets and a thread a connection: simple is
 * fast enough here.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CHUNK (256 * 1024)
#define ECHO_SIZE 64
#define PERCENT(sorted, count, p) ((sorted)[((count)-1) * (p) / 100])

static void die(const char *what)
{
	fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static double seconds_since(uint64_t start_ns)
{
	return (double)(now_ns() - start_ns) / 1e9;
}

static unsigned long number(const char *text)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (!*text || *end) {
		fprintf(stderr, "load: '%s' is not a number\n", text);
		exit(2);
	}
	return value;
}

static bool send_all(int fd, const char *data, size_t size)
{
	while (size > 0) {
		ssize_t n = send(fd, data, size, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		data += n;
		size -= (size_t)n;
	}
	return true;
}

static bool receive_all(int fd, char *data, size_t size)
{
	while (size > 0) {
		ssize_t n = recv(fd, data, size, 0);

		if (n <= 0)
			return false;
		data += n;
		size -= (size_t)n;
	}
	return true;
}

static char *chunk_new(void)
{
	char *chunk = calloc(1, CHUNK);

	if (!chunk)
		die("memory");
	return chunk;
}

/* --- the service
 * ----------------------------------------------------------------------------------- */

static void serve_source(int fd, char *chunk)
{
	while (send_all(fd, chunk, CHUNK))
		;
}

/* Confirms the end, so that the client measures what has arrived and not what is buffered. */
static void serve_sink(int fd, char *chunk)
{
	ssize_t n;

	do {
		n = recv(fd, chunk, CHUNK, 0);
	} while (n > 0);
	if (n == 0)
		send_all(fd, "k", 1);
}

static void serve_echo(int fd, char *chunk)
{
	ssize_t n;

	while ((n = recv(fd, chunk, CHUNK, 0)) > 0 && send_all(fd, chunk, (size_t)n))
		;
}

struct service {
	const char *name;
	void (*serve)(int fd, char *chunk);
};

static const struct service services[] = {
	{ "source", serve_source },
	{ "sink", serve_sink },
	{ "echo", serve_echo },
};

struct visit {
	const struct service *service;
	int fd;
};

static void *visit_run(void *data)
{
	struct visit *visit = data;
	char *chunk = chunk_new();

	visit->service->serve(visit->fd, chunk);
	close(visit->fd);
	free(chunk);
	free(visit);
	return NULL;
}

static void set_nodelay(int fd)
{
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
}

static void start_thread(void *(*run)(void *), void *data, pthread_t *ret)
{
	pthread_t thread;
	int rc = pthread_create(&thread, NULL, run, data);

	if (rc) {
		errno = rc;
		die("thread");
	}
	if (ret)
		*ret = thread;
	else
		pthread_detach(thread);
}

static void *listener_run(void *data)
{
	struct visit *listener = data;

	for (;;) {
		int fd = accept(listener->fd, NULL, NULL);
		struct visit *visit;

		if (fd < 0)
			die("accept");
		set_nodelay(fd);
		visit = malloc(sizeof(*visit));
		if (!visit)
			die("memory");
		*visit = (struct visit){ listener->service, fd };
		start_thread(visit_run, visit, NULL);
	}
	return NULL;
}

static struct sockaddr_in loopback(unsigned long port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return address;
}

/* Returns the port the kernel chose. */
static unsigned listen_anywhere(int *ret_fd)
{
	struct sockaddr_in address = loopback(0);
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) || listen(fd, 4096) ||
	    getsockname(fd, (struct sockaddr *)&address, &size))
		die("listen");
	*ret_fd = fd;
	return ntohs(address.sin_port);
}

static int mode_serve(char **args)
{
	static struct visit listeners[sizeof(services) / sizeof(services[0])];
	const size_t count = sizeof(services) / sizeof(services[0]);

	for (size_t i = 0; i < count; i++) {
		unsigned port = listen_anywhere(&listeners[i].fd);

		listeners[i].service = &services[i];
		start_thread(listener_run, &listeners[i], NULL);
		printf("%s\"%s\": %u", i ? ", " : "{", services[i].name, port);
	}
	printf("}\n");
	fflush(stdout);
	/* Whoever started us holds our stdin; its end is ours. */
	while (getchar() != EOF)
		;
	return 0;
}

/* --- the clients
 * ----------------------------------------------------------------------------------- */

static int dial(unsigned long port)
{
	struct sockaddr_in address = loopback(port);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)))
		die("connect");
	set_nodelay(fd);
	return fd;
}

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
	int fd = dial(number(args[0]));

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
	int fd = dial(number(args[0]));

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

/* echo PORT COUNT: COUNT messages of 64 bytes, one after the other, there and back. */
static int mode_echo(char **args)
{
	size_t count = number(args[1]);
	uint64_t *times = calloc(count ? count : 1, sizeof(*times));
	char message[ECHO_SIZE] = { 0 };
	int fd = dial(number(args[0]));

	if (!times || !count)
		die("memory");
	for (size_t i = 0; i < count; i++) {
		uint64_t start = now_ns();

		if (!send_all(fd, message, sizeof(message)) ||
		    !receive_all(fd, message, sizeof(message)))
			die("echo");
		times[i] = now_ns() - start;
	}
	qsort(times, count, sizeof(*times), compare_ns);
	printf("{\"p50_us\": %.1f, \"p99_us\": %.1f}\n", (double)PERCENT(times, count, 50) / 1e3,
	       (double)PERCENT(times, count, 99) / 1e3);
	close(fd);
	free(times);
	return 0;
}

struct caller {
	unsigned long port;
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
		int fd = dial(caller->port);

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
		callers[i].port = number(args[0]);
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
