/* SPDX-License-Identifier: MIT */
/*
 * Which algorithms to offer, in which order, when the configuration does not say. Names that this
 * libssh does not know are passed over by it.
 */
#pragma once

/* AES-GCM first where the CPU has AES instructions, ChaCha20 first elsewhere. */
const char *session_default_ciphers(void);

/* What is cheap to answer: a server-chosen group18 or sntrup761 costs 40 to 130 ms of loop. */
const char *session_default_kex(void);
