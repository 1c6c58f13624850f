/* SPDX-License-Identifier: MIT */
/*
 * The command whose standard input and output lead to a server, as it is run: with ssh's tokens
 * replaced by what is known of the server.
 */
#pragma once

#include "lib/connection.h"

#define PROXY_COMMAND_TOKENS "hprn" /* host, port, user, host as written */
#define PROXY_COMMAND_SHELL "/bin/sh" /* of a command that is a line; "-c" and the line follow */

/* The words to run; ret must be empty. -1: no memory. */
int proxy_command_words(const struct connection_settings *c, struct strv *ret);
/* "nc", "ssh": the program, for people; of a line for the shell its first word. Returns out. */
char *proxy_command_name(char *out, size_t size, const struct connection_settings *c);
