/* SPDX-License-Identifier: MIT */
/*
 * The far end of a measurement: three loopback ports that send, swallow and echo. A thread a
 * connection with blocking sockets: simple is fast enough here.
 */
#include "tests/bench/load_service.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/load_io.h"

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

int mode_serve(char **args)
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
