/* SPDX-License-Identifier: MIT */
#include "daemon/worker/local_socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

void local_socket_tune(int fd)
{
	int on = 1, idle_s = 120, interval_s = 30, count = 5;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)) < 0)
		return;
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof(interval_s));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
}

void local_socket_reset(int fd)
{
	struct linger now = { .l_onoff = 1 };
	int domain = 0;
	socklen_t size = sizeof(domain);

	/* A Unix socket has no RST; who wants to know is told by a byte out of band (Linux 5.15). */
	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX)
		(void)!send(fd, "", 1, MSG_OOB | MSG_DONTWAIT | MSG_NOSIGNAL);

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}

bool local_socket_has_unread(int fd)
{
	int size = 0;

	return ioctl(fd, FIONREAD, &size) == 0 && size > 0;
}

bool local_socket_is_abandoned(int fd)
{
	struct pollfd p = { .fd = fd };

	if (poll(&p, 1, 0) <= 0)
		return false;
	/* POLLHUP alone says that both directions have ended, not that all was read. */
	return p.revents & POLLERR || (p.revents & POLLHUP && !local_socket_has_unread(fd));
}
