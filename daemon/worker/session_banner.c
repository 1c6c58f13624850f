/* SPDX-License-Identifier: MIT */
#include "daemon/worker/session_banner.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/str.h"
#include "lib/util.h"

#define PATIENCE_MS 3000
#define PREAMBLE_MAX 8192 /* OpenSSH's limit (kex_exchange_identification) */
#define PREFIX "SSH-"
#define PREFIX_SIZE 4

static void on_patience(void *data)
{
	struct session_banner *b = data;

	b->tired = true;
	b->on_tired(b->session);
}

int session_banner_open(struct session_banner *b, struct loop *loop, int fd,
			void (*on_tired)(struct session *s), struct session *session)
{
	*b = (struct session_banner){ .fd = fd, .on_tired = on_tired, .session = session };
	if (loop_timer_open(&b->patience, loop, on_patience, b) < 0)
		return -1;
	loop_timer_set(&b->patience, PATIENCE_MS);
	return 0;
}

void session_banner_close(struct session_banner *b)
{
	loop_timer_close(&b->patience);
}

/* How many bytes make the socket readable; 4 keeps a half-sent "SSH-" from waking us for nothing.
 */
static void set_low_water(const struct session_banner *b, int bytes)
{
	setsockopt(b->fd, SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof(bytes));
}

/* Half a banner and then nothing ever again: the socket stays readable, and would keep us awake. */
static bool has_ended(const struct session_banner *b)
{
	struct pollfd p = { .fd = b->fd, .events = POLLRDHUP };

	return poll(&p, 1, 0) > 0;
}

/* What sshd writes to connections it drops before the banner (drop_connection() of OpenSSH). */
static const char *const turned_away[] = {
	"Exceeded MaxStartups", /* 8.5 and later */
	"Not allowed at this time", /* 9.8 and later: PerSourcePenalties, PerSourceMaxStartups */
};

static bool is_turned_away(const struct session_banner *b)
{
	for (size_t i = 0; i < ARRAY_SIZE(turned_away); i++) {
		if (strcmp(b->preamble, turned_away[i]) == 0)
			return true;
	}
	return false;
}

static enum step fail_closed(const struct session_banner *b, ssize_t n, struct err *err)
{
	if (is_turned_away(b))
		err_set(err, ERR_LOST,
			"the server is turning connections away: '%s'; see MaxStartups and "
			"PerSourcePenalties in its sshd_config",
			b->preamble);
	else if (b->preamble_bytes > 0)
		err_set(err, ERR_NOT_SSH,
			"not an SSH server: it said '%s' and closed the connection", b->preamble);
	else if (n < 0)
		err_set_errno(err, err_from_errno(errno), errno, "no SSH banner");
	else
		err_set(err, ERR_LOST,
			"the server closed the connection before its SSH banner; is it overloaded "
			"(sshd's MaxStartups), or not an SSH server?");
	return STEP_FAIL;
}

static void keep_first_line(struct session_banner *b, const char *bytes, size_t size, bool ends)
{
	if (b->line_over)
		return;
	size = MIN(size, sizeof(b->line) - b->line_size);
	memcpy(b->line + b->line_size, bytes, size);
	b->line_size += size;
	b->line_over = ends;
	if (ends && b->line_size > 0 && b->line[b->line_size - 1] == '\r')
		b->line_size--;
	str_escape(b->preamble, sizeof(b->preamble), b->line, b->line_size);
}

/* Takes what is there of a preamble line out of the socket. */
static enum step skip(struct session_banner *b, struct err *err)
{
	char bytes[512];
	ssize_t n = recv(b->fd, bytes, sizeof(bytes), MSG_PEEK | MSG_DONTWAIT);
	char *end;

	if (n <= 0)
		return n < 0 && errno == EAGAIN ? STEP_WAIT : fail_closed(b, n, err);
	end = memchr(bytes, '\n', (size_t)n);
	if (end)
		n = end + 1 - bytes;
	if (recv(b->fd, bytes, (size_t)n, MSG_DONTWAIT) < n)
		return fail_closed(b, 0, err);
	keep_first_line(b, bytes, (size_t)n - (end != NULL), end != NULL);
	b->inside_line = !end;
	b->preamble_bytes += (size_t)n;
	if (b->preamble_bytes <= PREAMBLE_MAX)
		return STEP_NEXT;
	err_set(err, ERR_NOT_SSH,
		"not an SSH server: it said more than %d bytes before a banner, starting with '%s'",
		PREAMBLE_MAX, b->preamble);
	return STEP_FAIL;
}

enum step session_banner_step(struct session_banner *b, struct err *err)
{
	enum step step = STEP_NEXT;

	while (step == STEP_NEXT) {
		char start[PREFIX_SIZE];
		ssize_t n = recv(b->fd, start, sizeof(start), MSG_PEEK | MSG_DONTWAIT);

		if (n < 0 && errno == EAGAIN)
			return b->tired && b->preamble_bytes == 0 ? STEP_NEXT : STEP_WAIT;
		if (n <= 0)
			return fail_closed(b, n, err);
		if (b->inside_line || memcmp(start, PREFIX, (size_t)n) != 0) {
			set_low_water(b, 1);
			step = skip(b, err);
		} else if (n == PREFIX_SIZE) {
			set_low_water(b, 1);
			loop_timer_stop(&b->patience);
			return STEP_NEXT;
		} else if (has_ended(b)) {
			return fail_closed(b, 0, err);
		} else {
			set_low_water(b, PREFIX_SIZE);
			return STEP_WAIT;
		}
	}
	return step;
}
