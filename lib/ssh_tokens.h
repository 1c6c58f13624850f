/* SPDX-License-Identifier: MIT */
/*
 * What stands for something else in values of OpenSSH's configuration (ssh_config(5), TOKENS and
 * ENVIRONMENT VARIABLES), where neither ssh nor tunneld itself replaces it later. Private to ssh_*.c.
 */
#pragma once

#include "lib/ssh_keywords.h"

#define SSH_TOKENS_ALL "CdhijkLlnpru" /* of files */
#define SSH_TOKENS_JUMP "hnpr" /* of ProxyJump, which ssh makes a ProxyCommand of */

/* text with tokens of these letters and "%%" replaced, and ${VARIABLES} where has_variables. The caller
 * frees; NULL: it has a token that stands for nothing, and *ret_why is what to say about it (or memory ran
 * out). */
char *ssh_tokens_expand(const struct ssh_names *names, const char *text, const char *letters,
			bool has_variables, const char **ret_why);

/* "~bob/x" as a path in the home of that user; what begins in no other way is copied ("~/x" is for whoever
 * reads it to replace). The caller frees; NULL: there is no such user. */
char *ssh_tokens_home(const char *path);
