/* SPDX-License-Identifier: MIT */
/*
 * Small files with secrets in them: where they are, reading them, and wiping what was read. Nothing in
 * such a file's place makes the reader hang, and what is checked is what was opened.
 */
#pragma once

#include <sys/types.h>

#include "lib/err.h"

struct auth_file {
	char *text; /* NUL-terminated; may hold NULs */
	size_t size; /* without the NUL */
	uid_t owner;
	mode_t mode;
};

/* The path of what a configuration names: itself, or that of credential:NAME below
 * $CREDENTIALS_DIRECTORY. The caller frees; NULL: err. */
char *auth_file_path(const char *name, struct err *err);
/* what: "identity", for messages. ERR_IDENTITY_MISSING, ERR_IDENTITY_UNREADABLE. Blocks on disk. */
int auth_file_read(struct auth_file *file, const char *path, const char *what, struct err *err);
/* Whether others can read a file of ours (sshkey_perm_ok() of OpenSSH: files of others are their
 * business, a credential belongs to root). ERR_IDENTITY_PERMISSIONS. */
int auth_file_check_private(const struct auth_file *file, const char *path, struct err *err);
void auth_file_fini(struct auth_file *file); /* wipes */
