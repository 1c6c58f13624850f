/* SPDX-License-Identifier: MIT */
/*
 * How much a server may have on its way to us. When a channel's window is opened again, libssh decides,
 * and each of its versions otherwise; what we choose is how much we ask for and how much we take, and on
 * a long link that decides what a stream carries.
 *
 * Only numbers; the channel does what they say.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* OpenSSH's, and that of libssh since 0.11. */
#define CHANNEL_WINDOW_SIZE ((size_t)2 * 1024 * 1024)
/* What a channel starts with that the server opens (messages.c of libssh, 0.10 to 0.12). */
#define CHANNEL_WINDOW_ACCEPTED ((size_t)32000)

struct channel_window {
	bool by_halves; /* libssh 0.11 and later: opened again when half of it has been taken */
	size_t until_widen; /* bytes to be taken before it is widened again; only without by_halves */
	size_t unreturned; /* bytes taken since libssh last let more come; only with by_halves */
};

/* size: what the server was told, in bytes. */
void channel_window_init(struct channel_window *w, bool by_halves, size_t size);

/* Bytes of these that may be taken at once; never 0, but for 0. The rest may be taken next. */
size_t channel_window_portion(const struct channel_window *w, size_t size);
/* Passed on as they came, and taken later: when nobody was there to take them at once, it is not the
 * window that limits the stream, and they do not make it wider. */
void channel_window_passed(struct channel_window *w, size_t size);
void channel_window_taken(struct channel_window *w, size_t size);

/* A read that asks for CHANNEL_WINDOW_SIZE is due, should the link be long. */
bool channel_window_is_due(const struct channel_window *w);
void channel_window_widened(struct channel_window *w);
