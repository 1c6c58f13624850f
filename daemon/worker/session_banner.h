/* SPDX-License-Identifier: MIT */
/*
 * Waiting for "SSH-" on a fresh connection, before libssh sees it. A server may say other lines
 * first (RFC 4253 section 4.2); they are read and forgotten here, up to a limit. What is left in
 * the socket starts with the banner. So a web server on the port, a server that hangs up at once
 * (MaxStartups) and one that says nothing are told apart by name.
 */
#pragma once

#include "daemon/common/loop.h"
#include "daemon/worker/step.h"

struct session;

struct session_banner {
	int fd; /* borrowed */
	struct loop_timer patience; /* some servers wait for the client's banner */
	bool tired;
	bool inside_line; /* of the preamble */
	size_t preamble_bytes;
	char line[96]; /* the first line of it as it came, maybe in pieces; cut */
	size_t line_size;
	bool line_over;
	char preamble[96]; /* the same, escaped */
	void (*on_tired)(struct session *s);
	struct session *session;
};

int session_banner_open(struct session_banner *b, struct loop *loop, int fd,
			void (*on_tired)(struct session *s), struct session *session);
void session_banner_close(struct session_banner *b);

/* STEP_NEXT: the next bytes are the banner, or the server seems to wait for ours. */
enum step session_banner_step(struct session_banner *b, struct err *err);
