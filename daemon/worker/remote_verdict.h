/* SPDX-License-Identifier: MIT */
/*
 * Why does a server not listen for us? Its answer is the same for a port that is taken and for one
 * that is not permitted. So it is asked to connect there itself (direct-tcpip): if somebody answers,
 * the port is taken, if nobody does, it was not permitted. The connection is closed at once.
 */
#pragma once

#include "daemon/worker/channel_pipe.h"
#include "daemon/common/loop.h"

struct remote_refusal {
	const char *address; /* "*", "localhost", ...; borrowed */
	unsigned port;
	bool was_ours; /* the server has listened there for us before */
};

typedef void (*remote_verdict_fn)(void *data, const struct err *why);

/* Embedded. */
struct remote_verdict {
	struct loop *loop;
	struct session *session;
	struct channel_pipe *pipe; /* being opened; NULL: nothing is asked */
	struct remote_refusal refusal;
	bool asked_loopback;
	uint64_t given_ms; /* when the last one was given; 0: none was */
	remote_verdict_fn on_verdict;
	void *data;
};

void remote_verdict_init(struct remote_verdict *v, struct loop *loop);
/* on_verdict is called once, perhaps from within; nothing happens while one is on its way. */
void remote_verdict_start(struct remote_verdict *v, struct session *s,
			  const struct remote_refusal *refusal, remote_verdict_fn on_verdict,
			  void *data);
void remote_verdict_stop(struct remote_verdict *v); /* and forgets the last one */
bool remote_verdict_is_pending(const struct remote_verdict *v);
void remote_verdict_give_up(struct remote_verdict *v); /* with what is known by now */
bool remote_verdict_is_old(const struct remote_verdict *v); /* things may have changed since */
