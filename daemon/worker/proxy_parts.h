/* SPDX-License-Identifier: MIT */
/*
 * What the files of a proxy share; nobody else includes this. proxy.c owns the client's connection,
 * its phases and its end; proxy_socks.c and proxy_http.c each speak one language with it, through
 * the table in struct proxy_language; proxy_exchange.c carries a plain request and its response.
 *
 *   listening --request--> asking --release--> (gone to the owner)
 *       ^                    |  `--attach--> exchanging --close--> parting --> over
 *       |                    `--refuse--> parting                     ^
 *       `------------------ keep-alive ------'   `-- bad request -----'
 */
#pragma once

#include "daemon/worker/flow.h"
#include "daemon/worker/proxy.h"
#include "lib/http_body.h"
#include "lib/http_head.h"
#include "lib/socks.h"

#define PROXY_IDLE_MS 60000 /* between the requests of one client */
#define PROXY_PARTING_MS 2000 /* for the client to take the answer and to close */

enum proxy_phase {
	PROXY_LISTENING, /* for a request */
	PROXY_ASKING, /* the owner */
	PROXY_EXCHANGING, /* a plain request and its response */
	PROXY_PARTING, /* the last answer goes out, then the client closes */
	PROXY_OVER,
};

struct proxy_language {
	/* More of a request has come (or all of it, or several). */
	void (*on_bytes)(struct proxy *p);
	/* Writes the answer to proxy.down: go on, as a stream; or no. */
	void (*grant)(struct proxy *p);
	void (*refuse)(struct proxy *p, const struct err *why);
};

extern const struct proxy_language proxy_socks, proxy_http;

/* What is known of the request that is being read or answered. */
struct proxy_request {
	char host[ENDPOINT_HOST_MAX + 1];
	uint16_t port;
	struct http_scan scan;
	unsigned status; /* of a refusal; 0: what fits the error */
	unsigned minor;
	bool is_head, keeps_alive, is_upgrade;
	struct http_body body;
};

struct exchange {
	int fd; /* the server; -1: there is none */
	struct loop_io io;
	struct http_scan scan;
	bool has_head; /* of the final response */
	bool is_stream; /* after 101 */
	bool keeps_alive; /* the client was told that it may go on */
	bool is_deaf; /* the server reads no more of the request; it may still answer */
	bool is_cut; /* the server's end of file is no orderly one */
	bool up_ended, down_ended; /* of a stream: the end has been passed on */
	struct http_body body;
};

struct proxy {
	struct proxy_settings set;
	const struct proxy_ops *ops;
	void *data;
	int fd; /* the client */
	struct loop_io io;
	struct loop_defer first; /* looks for what the client sent while it was accepted */
	struct loop_timer limit;
	enum proxy_phase phase;
	bool between; /* listening, and not a byte of the next request is there */
	const struct proxy_language *language; /* NULL: not a byte yet */
	struct flow up; /* what the client has sent */
	struct flow down; /* to the client */
	struct socks socks;
	struct proxy_request request;
	struct exchange exchange;
	size_t drained; /* bytes that came while parting */
	struct err why; /* for on_end; ERR_NONE: nothing is wrong */
	struct loop_grave grave;
};

/* The client has said where it wants to go: asks the rules, then the owner. */
void proxy_ask(struct proxy *p, bool is_stream);
/* No; err is for the log, too. */
void proxy_reject(struct proxy *p, const struct err *err);
/* Sends what is in down, then waits a little for the client to close. */
void proxy_part(struct proxy *p);
/* Closes at once; err as for on_end. */
void proxy_finish(struct proxy *p, bool reset, const struct err *err);
/* Waits for another request; one that is there already is read now. */
void proxy_listen_again(struct proxy *p);
/* Lets the client's socket and the phase say what to wait for. */
void proxy_want(struct proxy *p, unsigned interest);

int proxy_exchange_start(struct proxy *p, int fd); /* -1: no memory; fd stays the caller's */
void proxy_exchange_step(struct proxy *p); /* after anything happened at the client's socket */
void proxy_exchange_close(struct proxy *p, bool reset);
