/* SPDX-License-Identifier: MIT */
/*
 * Standard input and output tied to a socket, as `ssh -W` and nc do it.
 */
#pragma once

#include <stddef.h>

#include "ctl/failure.h"

struct duplex_ends {
	int in, out; /* of any kind; they are left as they are */
	int socket; /* does not block */
	const char *peer; /* who is at the other end of the socket, for messages */
};

/* Carries bytes both ways until the peer has ended and all it sent is written. received: what was
 * read from the socket already. 0, or -1 with f filled. */
int duplex_run(const struct duplex_ends *ends, const char *received, size_t size,
	       struct failure *f);
