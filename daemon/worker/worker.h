/* SPDX-License-Identifier: MIT */
/*
 * A worker: the tunnels it was given, and the line to the supervisor that gives them.
 */
#pragma once

#include "daemon/common/loop.h"

struct worker;

/* Takes fd, the worker's end of the line. The loop is quit when the line ends or a shutdown is
 * done. */
struct worker *worker_new(struct loop *loop, int fd, struct err *err);
void worker_free(struct worker *w);
