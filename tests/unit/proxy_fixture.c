/* SPDX-License-Identifier: MIT */
#include "tests/unit/proxy_fixture.h"

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/real_loop.h"
#include "tests/unit/sockets.h"

#define TURNS 6 /* more than anything here needs to come to rest */

struct proxy_fixture fix;

static int count_descriptors(void)
{
	DIR *folder = opendir("/proc/self/fd");
	int count = 0;

	assert_non_null(folder);
	while (readdir(folder))
		count++;
	closedir(folder);
	return count;
}

static void on_request(void *data, const char *host, uint16_t port, bool is_stream)
{
	endpoint_format(fix.wanted, host, port);
	fix.is_stream = is_stream;
	fix.requests++;
}

static void on_end(void *data, const struct err *err)
{
	fix.proxy = NULL;
	fix.ends++;
	fix.why = err ? *err : (struct err){ 0 };
}

static const struct proxy_ops ops = { .on_request = on_request, .on_end = on_end };

int proxy_set_up(void **state)
{
	fix = (struct proxy_fixture){ .client = -1, .descriptors = count_descriptors() };
	fix.loop = real_loop_new();
	fix.settings = (struct proxy_settings){ .loop = fix.loop, .allow = &fix.allow };
	return 0;
}

int proxy_tear_down(void **state)
{
	proxy_free(fix.proxy, false);
	loop_free(fix.loop);
	closep(&fix.client);
	strv_fini(&fix.allow);
	assert_int_equal(count_descriptors(), fix.descriptors);
	return 0;
}

static void start_with(void (*make_pair)(int fds[2]))
{
	struct err err;
	int fds[2];

	leave(); /* the client before, if there is one */
	proxy_free(TAKE(fix.proxy), false);
	make_pair(fds);
	fix.client = fds[1];
	fix.ends = fix.requests = 0;
	fix.wanted[0] = '\0';
	fix.proxy = proxy_new(&fix.settings, fds[0], &ops, NULL, &err);
	assert_non_null(fix.proxy);
}

void start(void)
{
	start_with(tcp_pair);
}

void start_small(void)
{
	start_with(tcp_pair_small);
}

void turns(void)
{
	real_loop_turns(fix.loop, TURNS);
}

void say(const char *bytes, size_t size)
{
	assert_int_equal(send(fix.client, bytes, size, MSG_NOSIGNAL), size);
	turns();
}

void say_slowly(const char *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		/* A client that was answered already may be gone. */
		if (send(fix.client, bytes + i, 1, MSG_NOSIGNAL) < 0)
			break;
		real_loop_turns(fix.loop, 2);
	}
	turns();
}

void hear(const char *bytes, size_t size)
{
	char heard[1024];

	assert_true(size <= sizeof(heard));
	assert_int_equal(recv(fix.client, heard, size, MSG_WAITALL), size);
	assert_memory_equal(heard, bytes, size);
}

void hear_end(void)
{
	expect_eof(fix.client);
}

void hear_page(const char *status, const char *part)
{
	char page[4096];
	ssize_t n = recv(fix.client, page, sizeof(page) - 1, MSG_WAITALL);
	const char *text;

	assert_true(n > 0);
	page[n] = '\0';
	if (strncmp(page, "HTTP/1.1 ", 9) != 0 || strncmp(page + 9, status, strlen(status)) != 0)
		fail_msg("not %s: %s", status, page);
	text = strstr(page, "\r\n\r\n");
	assert_non_null(text);
	if (!strstr(text, part) || strchr(text + 4, '\n') != page + n - 1)
		fail_msg("not '%s' in one line: %s", part, text);
	hear_end();
}

void leave(void)
{
	closep(&fix.client);
	turns();
}

void expire(void)
{
	struct loop_timer *limit = &fix.proxy->limit;

	assert_true(loop_timer_is_set(limit));
	loop_timer_stop(limit);
	limit->on_due(limit->data);
	turns();
}

void expect_ended(enum err_code why)
{
	assert_int_equal(fix.ends, 1);
	assert_null(fix.proxy);
	assert_int_equal(fix.why.code, why);
}
