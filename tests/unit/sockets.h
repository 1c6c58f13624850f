/* SPDX-License-Identifier: MIT */
/*
 * Loopback TCP for tests: a connected pair, a port that listens, and what the far end of a
 * connection gets to see. Every wait has a limit, so that a bug fails a test and does not hang it.
 */
#pragma once

#include <stddef.h>

/* fds[0] is non-blocking, as the daemon's sockets are; fds[1] blocks, at most some seconds. */
void tcp_pair(int fds[2]);
/* One whose kernel buffers hold little: fds[0] soon takes nothing more while fds[1] is not read. */
void tcp_pair_small(int fds[2]);
int tcp_listen(unsigned *ret_port); /* on 127.0.0.1 */

void expect_bytes(int fd, const char *text); /* exactly these come next */
void expect_eof(int fd);
void expect_reset(int fd);
void send_text(int fd, const char *text); /* all of it */
