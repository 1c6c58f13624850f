/* SPDX-License-Identifier: MIT */
#include "daemon/supervisor/directory.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/util.h"

int directory_make_parents(const char *path, struct err *err)
{
	CLEANUP(freep) char *copy = strdup(path);

	if (!copy)
		return err_nomem(err);
	for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(copy, 0755) < 0 && errno != EEXIST)
			return err_set_errno(err, ERR_IO, errno, "cannot create the directory %s",
					     copy);
		*slash = '/';
	}
	return 0;
}
