/* SPDX-License-Identifier: MIT */
#include "daemon/supervisor/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/str.h"
#include "lib/util.h"

#define READ_MAX 4096 /* bytes a turn */

static void begin_period(struct lines *l)
{
	uint64_t now = loop_now_ms(l->loop);
	char text[64];

	if (now - l->period_ms < LINES_PERIOD_MS)
		return;
	l->period_ms = now;
	l->told = 0;
	l->bytes = 0;
	if (l->left_out > 0) {
		snprintf(text, sizeof(text), "(%u more lines)", l->left_out);
		l->left_out = 0;
		l->on_line(l->data, text);
	}
}

static void end_line(struct lines *l)
{
	char text[LINES_TEXT_MAX];

	str_escape(text, sizeof(text), l->line, l->used);
	l->used = 0;
	if (text[strspn(text, " ")] == '\0')
		return;
	memcpy(l->last, text, sizeof(text));
	if (l->told == LINES_PER_PERIOD) {
		l->left_out++;
		return;
	}
	l->told++;
	l->on_line(l->data, text);
}

/* A carriage return ends a line as well: ssh writes both, and progress is shown with it. */
static void take(struct lines *l, const char *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (bytes[i] == '\n' || bytes[i] == '\r')
			end_line(l);
		else if (l->used < sizeof(l->line))
			l->line[l->used++] = bytes[i];
	}
}

/* False: there is nothing at the moment, or never again. */
static bool read_some(struct lines *l)
{
	char bytes[READ_MAX];
	ssize_t n = read(l->fd, bytes, sizeof(bytes));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0) {
		loop_io_want(&l->io, 0);
		return false;
	}
	l->bytes += (size_t)n;
	take(l, bytes, (size_t)n);
	return true;
}

static void on_ready(void *data, unsigned ready)
{
	struct lines *l = data;
	uint64_t now = loop_now_ms(l->loop);

	begin_period(l);
	if (l->bytes < LINES_BYTES_PER_PERIOD) {
		read_some(l);
		return;
	}
	loop_io_want(&l->io, 0);
	loop_timer_set(&l->pause, (unsigned)(l->period_ms + LINES_PERIOD_MS - now));
}

static void on_pause_over(void *data)
{
	struct lines *l = data;

	begin_period(l);
	loop_io_want(&l->io, LOOP_READ);
}

int lines_open(struct lines *l, struct loop *loop, int fd,
	       void (*on_line)(void *data, const char *text), void *data)
{
	*l = (struct lines){ .loop = loop, .fd = fd, .on_line = on_line, .data = data };
	l->period_ms = loop_now_ms(loop);
	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0 ||
	    loop_timer_open(&l->pause, loop, on_pause_over, l) < 0 ||
	    loop_io_open(&l->io, loop, fd, LOOP_READ, on_ready, l) < 0) {
		loop_timer_close(&l->pause);
		l->loop = NULL;
		return -1;
	}
	return 0;
}

void lines_finish(struct lines *l)
{
	if (!l->loop)
		return;
	begin_period(l);
	for (size_t i = 0; i < 2 * 64 * 1024 / READ_MAX && read_some(l); i++)
		;
	if (l->used > 0)
		end_line(l);
}

void lines_close(struct lines *l)
{
	if (!l->loop)
		return;
	loop_io_close(&l->io);
	loop_timer_close(&l->pause);
	closep(&l->fd);
	l->loop = NULL;
}
