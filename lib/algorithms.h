/* SPDX-License-Identifier: MIT */
/*
 * The algorithms of SSH that a configuration may name: which there are, since which libssh, which
 * are offered when nobody says anything, and what OpenSSH's notation for lists (ssh_config(5):
 * "a,b", "+a", "-pattern", "^a") makes of them. What is broken is not in the table at all.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lib/err.h"
#include "lib/util.h"

enum algorithm_kind {
	ALGORITHM_CIPHER,
	ALGORITHM_KEX,
	ALGORITHM_MAC,
	ALGORITHM_HOST_KEY,
	ALGORITHM_KIND_COUNT
};

enum { ALGORITHM_LIST_MAX = 1024 }; /* bytes of a list as written */

/* Whether list is one that can be offered; unknown names, names this libssh does not have and lists
 * that leave nothing are errors (ERR_CONFIG), with what there is. */
int algorithms_check(enum algorithm_kind kind, const char *list, struct err *err);

/* The same list without the names that cannot be offered, which go to dropped; for lists somebody
 * wrote for OpenSSH. The caller frees. NULL: nothing is left (or no memory); then the default is
 * what remains. */
char *algorithms_known(enum algorithm_kind kind, const char *list, struct strv *dropped);

/* What is offered without a list, best first. aes: the CPU has instructions for it. */
const char *algorithms_default(enum algorithm_kind kind, bool aes);

/* The same, and behind it whatever else there is, for servers that have nothing of that. The caller
 * frees; NULL: no memory. */
char *algorithms_everything(enum algorithm_kind kind, bool aes);

/* What is offered: list (NULL: nothing was said) applied to defaults. The caller frees; NULL: no
 * memory. */
char *algorithms_offer(const char *list, const char *defaults);

/* Whether the order of what is offered is what somebody wrote. */
bool algorithms_is_ordered(const char *list);

/* "a, b, c": what this libssh has. */
char *algorithms_names(enum algorithm_kind kind, char *out, size_t size);
/* The i-th of them; NULL: there are no more. */
const char *algorithms_name(enum algorithm_kind kind, size_t i);
