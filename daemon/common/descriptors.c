/* SPDX-License-Identifier: MIT */
#include "daemon/common/descriptors.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lib/util.h"

void descriptors_make_room(void)
{
	struct rlimit limit;
	int any, last;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == 0)
		return;
	/* The number is what counts, not what it leads to. */
	any = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (any < 0)
		return;
	last = fcntl(any, F_DUPFD_CLOEXEC, (int)MIN(limit.rlim_cur, (rlim_t)DESCRIPTORS_ROOM) - 1);
	if (last >= 0)
		close(last);
	close(any);
}
