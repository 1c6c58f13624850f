/* SPDX-License-Identifier: MIT */
#include "daemon/supervisor/durable.h"

#include <errno.h>
#include <unistd.h>

int durable_write(int fd, const char *bytes, size_t size)
{
	while (size > 0) {
		ssize_t n = write(fd, bytes, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		bytes += n;
		size -= (size_t)n;
	}
	return fsync(fd);
}
