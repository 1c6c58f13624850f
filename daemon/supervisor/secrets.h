/* SPDX-License-Identifier: MIT */
/*
 * What people told us so that they need not be asked again: the passphrases of keys, and passwords.
 * They live in memory that is locked, left out of core dumps and empty in a forked child, until they
 * prove wrong or the daemon ends; nowhere else. There are so many and no more: a new one takes the
 * place of the one that was not used for longest.
 */
#pragma once

#include "lib/list.h"
#include "lib/question.h"
#include "lib/secret.h"

enum { SECRETS_MAX = 256 };

struct kept_secret {
	struct list link; /* secrets.kept */
	enum question_kind kind;
	char *subject;
	size_t slot;
};

struct secrets {
	char *slots; /* SECRETS_MAX of them, mapped */
	struct list kept; /* struct kept_secret, the last used first */
	size_t count;
	bool used[SECRETS_MAX];
	bool told; /* that memory cannot be locked */
};

int secrets_init(struct secrets *s); /* -1: no memory */
void secrets_fini(struct secrets *s); /* wipes all of it */

/* Replaces what was kept for it. -1: no memory; then it is not kept. */
int secrets_keep(struct secrets *s, enum question_kind kind, const char *subject, const char *text);
/* Borrowed until the next call; NULL: none is kept. */
const char *secrets_find(struct secrets *s, enum question_kind kind, const char *subject);
bool secrets_have(const struct secrets *s, enum question_kind kind, const char *subject);
void secrets_forget(struct secrets *s, enum question_kind kind, const char *subject);
void secrets_drop(struct secrets *s, struct kept_secret *k); /* the same, of one of s->kept */
