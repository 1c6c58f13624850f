/* SPDX-License-Identifier: MIT */
/*
 * One channel of a session: libssh's channel with its rules kept (never freed while opening, EOF
 * before CLOSE, freed only after the server's CLOSE and outside of callbacks), seen from the
 * outside as a byte pipe with back-pressure. Who holds it lets go with channel_pipe_release(); the
 * channel itself lives on until the protocol is done with it. (The plain names, channel_write() and
 * so on, are taken by libssh's legacy API.)
 */
#pragma once

#include <libssh/libssh.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/endpoint.h"
#include "lib/err.h"

struct channel_pipe;
struct session;

struct channel_pipe_ops {
	/* The server confirmed or refused (err: ERR_PROHIBITED, ERR_REFUSED, ERR_RESOLVE, ...,
	 * ERR_TARGET when it is not known why; then the channel
	 * is over and released). Not called for adopted channels. */
	void (*on_open)(void *data, const struct err *err);
	/* Bytes arrived. Runs inside libssh: only send(2) is allowed here. Returns how many were
	 * taken; the rest waits in channel_pipe_held(). */
	size_t (*on_data)(void *data, const char *bytes, size_t size);
	/* Once a turn in which something happened: look at held, is_eof, is_closed, room. */
	void (*on_service)(void *data);
	/* The session is gone: the channel is over and released. */
	void (*on_lost)(void *data);
};

/* Who connected to us, for the server's log. */
#define CHANNEL_NO_PORT 65535 /* what OpenSSH says of a client without one */
struct channel_origin {
	char host[ENDPOINT_HOST_MAX + 1];
	unsigned port;
};

/* direct-tcpip (RFC 4254 section 7.2), or direct-streamlocal@openssh.com (OpenSSH PROTOCOL section
 * 2.4) when port is 0 and host a path. NULL: there is no memory, or (ERR_UNSUPPORTED) this libssh
 * cannot do it with this server. */
struct channel_pipe *channel_pipe_open(struct session *s, const char *host, unsigned port,
				       const struct channel_origin *origin,
				       const struct channel_pipe_ops *ops, void *data,
				       struct err *err);
/* A channel the server opened: takes ssh, on success. May run inside libssh. */
struct channel_pipe *channel_pipe_adopt(struct session *s, ssh_channel ssh,
					const struct channel_pipe_ops *ops, void *data,
					struct err *err);

/* Another owner: bytes that nobody took so far wait in channel_pipe_held(). */
void channel_pipe_set_ops(struct channel_pipe *c, const struct channel_pipe_ops *ops, void *data);
/* on_service soon, whether something happened or not. */
void channel_pipe_attend(struct channel_pipe *c);

/* Lets go: sends EOF and CLOSE (once open) and forgets ops. Not from on_data. */
void channel_pipe_release(struct channel_pipe *c);

/* Bytes that may be written now: 0 while the server or TCP takes none, and on_service will come. */
size_t channel_pipe_room(struct channel_pipe *c);
/* Returns how many bytes were taken (0 during a key re-exchange: keep them), -1: the session broke.
 */
int channel_pipe_write(struct channel_pipe *c, const char *bytes, size_t size);
void channel_pipe_send_eof(struct channel_pipe *c);

/* Bytes libssh holds because on_data did not take them; channel_pipe_take() hands all of them over
 * (malloced; NULL and 0 when out of memory, which loses the channel). Taking less than all would
 * let libssh 0.10 re-open the window whatever is buffered, without bound. */
size_t channel_pipe_held(const struct channel_pipe *c);
char *channel_pipe_take(struct channel_pipe *c, size_t *ret_size);

/* A CLOSE without an EOF counts as an EOF: servers written in Go say no more when all is well. */
bool channel_pipe_is_eof(
	const struct channel_pipe *c); /* no more will come, besides what is held */
bool channel_pipe_is_closed(
	const struct channel_pipe *c); /* the server closed it: nothing can be sent */
bool channel_pipe_is_broken(const struct channel_pipe *c); /* lost bytes: reset the other side */
