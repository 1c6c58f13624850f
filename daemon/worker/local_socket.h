/* SPDX-License-Identifier: MIT */
/*
 * Sockets of the side that is no SSH: our clients', and those to targets of remote forwards. TCP or Unix.
 */
#pragma once

#include <stdbool.h>

/* Dead peers are noticed, and small answers sent at once. What a listening socket has, the sockets
 * accepted from it inherit. Fails on Unix sockets, which need neither. */
void local_socket_tune(int fd);

/* Closes fd so that its peer sees a reset, not an orderly end. */
void local_socket_reset(int fd);

/* Bytes have arrived that nobody has read yet. */
bool local_socket_has_unread(int fd);

/* Its peer has reset it, or both directions have ended and all was read. */
bool local_socket_is_abandoned(int fd);
