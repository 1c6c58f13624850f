/* SPDX-License-Identifier: MIT */
#include "daemon/supervisor/leash.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/end_signals.h"
#include "lib/util.h"

#define PATIENCE_MS 1000 /* to kill and collect a few programs takes milliseconds */

static int fail(struct leash *leash, struct err *err)
{
	err_set_errno(err, ERR_IO, errno, "cannot keep programs on a leash");
	leash_close(leash);
	return -1;
}

int leash_open(struct leash *leash, struct err *err)
{
	*leash = (struct leash){ .fd = -1, .end = -1 };
	leash->fd = end_signals_hold(&leash->before);
	return leash->fd < 0 ? fail(leash, err) : 0;
}

void leash_release_signals(struct leash *leash)
{
	end_signals_release(&leash->before);
}

int leash_settle(struct leash *leash, struct err *err)
{
	int ends[2];

	leash_release_signals(leash);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return fail(leash, err);
	leash->end = ends[0];
	if (dup3(ends[1], leash->fd, O_CLOEXEC) < 0) {
		close(ends[1]);
		return fail(leash, err);
	}
	close(ends[1]);
	return 0;
}

void leash_cut(struct leash *leash)
{
	/* Can always be read: whoever takes the number from a configuration now starts nothing. */
	CLEANUP(closep) int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (leash->end < 0)
		return;
	shutdown(leash->end, SHUT_WR);
	if (nothing >= 0)
		dup3(nothing, leash->fd, O_CLOEXEC);
}

int leash_hold(const struct leash *leash)
{
	return fcntl(leash->fd, F_DUPFD_CLOEXEC, 0);
}

/* Whoever runs programs has a duplicate until they are gone. */
bool leash_close(struct leash *leash)
{
	struct pollfd end = { .fd = leash->end, .events = POLLIN };
	bool is_free = true;

	leash_cut(leash);
	closep(&leash->fd);
	if (leash->end >= 0)
		is_free = poll(&end, 1, PATIENCE_MS) > 0;
	closep(&leash->end);
	return is_free;
}
