/* SPDX-License-Identifier: MIT */
/*
 * Global requests of one session (RFC 4254 section 4): to listen, to listen no more, to give a sign
 * of life. libssh keeps one at a time and returns its answer to whoever asks next, whatever he asks
 * for (global_req_state in channels.c), so they queue here, and only the first is ever sent.
 *
 * A request is its owner's. Whoever does not want the answer any more says so; what was sent by then
 * is waited for all the same, or its answer would be taken for the next one's, and a listener that
 * is granted to nobody is cancelled.
 */
#pragma once

#include <libssh/libssh.h>
#include <stdint.h>

#include "lib/endpoint.h"
#include "lib/list.h"

enum session_request_kind { REQUEST_PROBE, REQUEST_LISTEN, REQUEST_CANCEL };

struct session_answer {
	bool granted; /* a probe is always granted */
	unsigned
		port; /* REQUEST_LISTEN, granted: where; 0: the server chose one and libssh lost it */
	unsigned rtt_us;
};

typedef void (*session_answer_fn)(void *data, const struct session_answer *answer);

struct session_request {
	struct list link; /* session_requests.queue; empty: answered, or forgotten */
	enum session_request_kind kind;
	char address[ENDPOINT_HOST_MAX +
		     1]; /* as RFC 4254 section 7.1 has it: "" is every address */
	unsigned port;
	bool sent;
	uint64_t sent_us; /* CLOCK_MONOTONIC */
	session_answer_fn on_answer; /* NULL: nobody wants to know */
	void *data;
};

struct session_requests {
	struct list queue; /* struct session_request */
	struct session_request orphan; /* what was sent and then forgotten */
};

void session_requests_init(struct session_requests *rs);
/* Nobody is told; requests may be used again. */
void session_requests_fini(struct session_requests *rs);

/* Asks at the end of the queue. address is only used by REQUEST_LISTEN and REQUEST_CANCEL. */
void session_requests_add(struct session_requests *rs, struct session_request *r,
			  enum session_request_kind kind, const char *address, unsigned port,
			  session_answer_fn on_answer, void *data);
/* A cancel that nobody waits for. -1: no memory; then the end of the session will do it. */
int session_requests_cancel(struct session_requests *rs, const char *address, unsigned port);
/* For how long the server has not answered what was sent; 0: it has answered everything. */
unsigned session_requests_unanswered_ms(const struct session_requests *rs);
bool session_requests_has_cancel(const struct session_requests *rs);
void session_requests_forget(struct session_requests *rs, struct session_request *r);

/* Collects an answer, if it is there, and sends the next one, until one has to be waited for.
 * Returns the round-trip time of the last probe that was answered; 0: none was. */
unsigned session_requests_serve(struct session_requests *rs, ssh_session ssh);
