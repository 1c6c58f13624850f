/* SPDX-License-Identifier: MIT */
/*
 * Text that must not be found in memory once it has been used: passphrases, passwords, answers. It
 * is wiped wherever it was copied to, as far as that is in our hands; jansson, which carries it
 * between processes, is taught to wipe everything it gives back.
 */
#pragma once

#include <stddef.h>

#include "lib/err.h"

enum { SECRET_MAX = 1023 }; /* bytes of one, without its NUL; OpenSSH's limit too */

/* {0} is none. */
struct secret {
	char *text; /* NUL-terminated, no NUL inside; NULL: none */
	size_t length;
};

int secret_set(struct secret *s, const char *text, size_t length); /* copies; -1: no memory */
void secret_fini(struct secret *s); /* wipes; {0} is fine */

/* What one holds becomes another's. */
void secret_move(struct secret *to, struct secret *from);

/* Wipes and frees *text, which may be NULL; for CLEANUP() and for what jansson or others made. */
void secret_freep(char **text);

/* The first line of a file: a credential ("credential:NAME", of systemd) or a path. Ours, or given
 * to us by root, and not for everybody to read. what: "password file", for messages. Blocks. */
int secret_read_file(struct secret *ret, const char *name, const char *what, struct err *err);

/* Once, at the start of a process: what jansson frees is wiped, and no core is dumped. */
void secret_protect_process(void);
