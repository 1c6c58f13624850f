/* SPDX-License-Identifier: MIT */
/* Small helpers of the load generator, and the client's half of a SOCKS 5 handshake. */
#include "tests/bench/load_io.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

void die(const char *what)
{
	fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
	exit(1);
}

uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

double seconds_since(uint64_t start_ns)
{
	return (double)(now_ns() - start_ns) / 1e9;
}

unsigned long number(const char *text)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (!*text || *end) {
		fprintf(stderr, "load: '%s' is not a number\n", text);
		exit(2);
	}
	return value;
}

bool send_all(int fd, const char *data, size_t size)
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

bool receive_all(int fd, char *data, size_t size)
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

char *chunk_new(void)
{
	char *chunk = calloc(1, CHUNK);

	if (!chunk)
		die("memory");
	return chunk;
}

void set_nodelay(int fd)
{
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
}

void start_thread(void *(*run)(void *), void *data, pthread_t *ret)
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

struct sockaddr_in loopback(unsigned long port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return address;
}

static int dial_port(unsigned long port)
{
	struct sockaddr_in address = loopback(port);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)))
		die("connect");
	set_nodelay(fd);
	return fd;
}

/* CONNECT to 127.0.0.1:port. Each message waits for its answer, as curl's and ssh's users do. */
static void ask_proxy(int fd, unsigned long port)
{
	const char greeting[] = { 5, 1, 0 };
	const char request[] = { 5, 1, 0, 1, 127, 0, 0, 1, (char)(port >> 8), (char)port };
	char reply[10];

	if (!send_all(fd, greeting, sizeof(greeting)) || !receive_all(fd, reply, 2) || reply[1])
		die("greeting the proxy");
	if (!send_all(fd, request, sizeof(request)) || !receive_all(fd, reply, sizeof(reply)) ||
	    reply[1])
		die("asking the proxy");
}

int dial(const char *where)
{
	const char *slash = strchr(where, '/');
	char proxy[8] = "";
	int fd;

	if (!slash)
		return dial_port(number(where));
	snprintf(proxy, sizeof(proxy), "%.*s", (int)(slash - where), where);
	fd = dial_port(number(proxy));
	ask_proxy(fd, number(slash + 1));
	return fd;
}
