/* SPDX-License-Identifier: MIT */
/*
 * Writing what must not be lost. Blocks on the disk.
 */
#pragma once

#include <stddef.h>

/* All of it, and onto the disk. -1 with errno; some of it may have been written then. */
int durable_write(int fd, const char *bytes, size_t size);
